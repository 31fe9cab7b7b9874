# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# What a developer runs, on a Debian machine as root or with sudo. `make` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
HOST ?= kx1
SCENARIO ?= default
LAB_NAME ?= fleet-kexec-lab
LAB_GUESTS ?= 3
# A file of variables for the lab (molecule/lab/roles/lab/defaults/main.yml): other guests than the default ones.
LAB_VARS ?=

# --- where things are --------------------------------------------------------------------

# Nothing is kept in the checkout. Environments are named after what they were made from.
CACHE := $(or $(FLEET_KEXEC_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fleet-kexec)
BUILD := $(CACHE)/build-$(shell echo $(CURDIR) | sha256sum | cut -c1-12)
COLLECTION := $(BUILD)/ansible_collections/fleet/kexec
LAB_RUN := $(CACHE)/run/$(LAB_NAME)
# Molecule's own choice goes by the checkout's name alone, and would be another lab's, too.
MOLECULE_STATE := $(CACHE)/molecule/$(LAB_NAME)
BENCH_RESULTS := $(CACHE)/bench

# --- Python ------------------------------------------------------------------------------

# Interpreter of a version: pyenv's, uv's or the machine's; nothing, if there is none. "own" is $(PYTHON). Pyenv's
# directories come before the path, where its shims may be.
PYTHON_DIRECTORIES = $(HOME)/.pyenv/versions/$(1).*/bin $(HOME)/.local/share/uv/python/cpython-$(1).*/bin \
  $(filter-out $(CACHE)/%,$(subst :, ,$(PATH)))
interpreter = $(if $(filter own,$(1)),$(PYTHON),$(firstword $(wildcard $(addsuffix /python$(1),$(PYTHON_DIRECTORIES)))))

# The environment of requirements/$(1).txt by the Python $(2). Its rule is below, in the set-up.
environment = $(CACHE)/venv-$(1)_$(2)_$(shell { cat requirements/$(1).txt; $(call interpreter,$(2)) -VV; } | sha256sum | cut -c1-12)

VENV := $(call environment,dev,own)

# --- how things are run ------------------------------------------------------------------

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

export PATH := $(VENV)/bin:$(PATH)
export FLEET_KEXEC_CACHE := $(CACHE)
export LAB_NAME LAB_GUESTS LAB_RUN
export LAB_EXTRA_VARS := $(if $(LAB_VARS),@$(abspath $(LAB_VARS)),{})
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)
export ANSIBLE_CALLBACK_PLUGINS := $(CURDIR)/molecule/lab/callback_plugins
export ANSIBLE_CALLBACKS_ENABLED := lab_console,lab_changes
export ANSIBLE_CALLBACK_RESULT_FORMAT := yaml
export ANSIBLE_PIPELINING := 1
# The demo sets them otherwise.
export ANSIBLE_DISPLAY_OK_HOSTS ?= true
export ANSIBLE_DISPLAY_SKIPPED_HOSTS ?= true
# For ssh and sudo: under TCG on a busy host they take their time.
export ANSIBLE_TIMEOUT := 60
# A path of its own for each lab: guests of two labs may have the same addresses.
export ANSIBLE_SSH_CONTROL_PATH_DIR := $(HOME)/.ansible/cp/$(LAB_NAME)
# Journals and slots go with the guests: a rollout that was cut off must not be in the way of the next lab's.
export XDG_STATE_HOME := $(LAB_RUN)/state
export MOLECULE_GLOB := $(CURDIR)/molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := false
export PYTHONUNBUFFERED := 1
# Of the soak, whose own defaults are a short one, of the faults that a night draws by lot, and of the fleet under faults.
export SOAK_REBOOTS SOAK_SEED SOAK_RESULT NIGHT_SEED CHAOS_SEED

# The lab takes root: namespaces, taps, mmdebstrap. sudo drops the environment, so it is given.
PASSED := PATH FLEET_KEXEC_CACHE LAB_NAME LAB_GUESTS LAB_RUN LAB_EXTRA_VARS LAB_MIRROR ANSIBLE_COLLECTIONS_PATH \
  ANSIBLE_CALLBACK_PLUGINS ANSIBLE_CALLBACKS_ENABLED ANSIBLE_CALLBACK_RESULT_FORMAT ANSIBLE_DISPLAY_OK_HOSTS \
  ANSIBLE_DISPLAY_SKIPPED_HOSTS ANSIBLE_PIPELINING ANSIBLE_TIMEOUT ANSIBLE_SSH_CONTROL_PATH_DIR XDG_STATE_HOME \
  MOLECULE_GLOB MOLECULE_COMMAND_BORDERS PYTHONUNBUFFERED \
  SOAK_REBOOTS SOAK_SEED SOAK_RESULT NIGHT_SEED CHAOS_SEED
# Set but empty, it asks the benchmark for real time.
PASSED += $(if $(filter-out undefined,$(origin BENCH_ICOUNT)),BENCH_ICOUNT)
AS_ROOT := $(if $(SUDO),$(SUDO) env $(foreach name,$(PASSED),$(name)="$${$(name)-}"))
# The controller of the guests: in the lab's network namespace.
IN_LAB := $(AS_ROOT) ip netns exec $(LAB_NAME)
PLAY_IN_LAB := $(IN_LAB) ansible-playbook --inventory $(LAB_RUN)/inventory.yml --extra-vars fleet_kexec_hosts=lab
LAB_PLAYBOOK := $(AS_ROOT) ansible-playbook --inventory localhost, --extra-vars '$(LAB_EXTRA_VARS)'

# --- help --------------------------------------------------------------------------------

.PHONY: help
help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "variables: HOST=$(HOST) LAB_GUESTS=$(LAB_GUESTS) LAB_NAME=$(LAB_NAME) SCENARIO=$(SCENARIO) PYTHON=$(PYTHON)"
	@echo "cache:     $(CACHE)"

# --- set-up ------------------------------------------------------------------------------

PACKAGES := binutils btrfs-progs ca-certificates debian-archive-keyring dosfstools e2fsprogs etcd-server fdisk gcc git iproute2 jq \
  libc6-dev lz4 mmdebstrap nftables openssh-client openssl ovmf python3-venv qemu-system-x86 qemu-utils swtpm util-linux zstd
PACKAGES_STAMP := $(CACHE)/packages-$(shell echo $(PACKAGES) | sha256sum | cut -c1-12)

.PHONY: setup
setup: $(PACKAGES_STAMP) $(VENV)/.complete ## packages and Python environment (every target that needs them makes them)

# What only one target needs, so that nobody else has to install a browser.
BROWSER_PACKAGES := chromium chromium-driver fonts-dejavu-core
BROWSER_STAMP := $(CACHE)/packages-$(shell echo $(BROWSER_PACKAGES) | sha256sum | cut -c1-12)
$(BROWSER_STAMP): PACKAGES := $(BROWSER_PACKAGES)

# The rule engine of ansible-rulebook is Java.
EDA_PACKAGES := default-jre-headless
EDA_STAMP := $(CACHE)/packages-$(shell echo $(EDA_PACKAGES) | sha256sum | cut -c1-12)
$(EDA_STAMP): PACKAGES := $(EDA_PACKAGES)

$(PACKAGES_STAMP) $(BROWSER_STAMP) $(EDA_STAMP):
	@mkdir -p $(CACHE)
	@missing=$$(comm -13 <(dpkg-query -W -f '$${db:Status-Status} $${Package}\n' | awk '$$1 == "installed" {print $$2}' | sort -u) \
	  <(printf '%s\n' $(PACKAGES) | sort)); \
	if [ -n "$$missing" ]; then \
	  install=($(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing); \
	  "$${install[@]}" || { $(SUDO) apt-get update && "$${install[@]}"; }; \
	fi
	@touch $@

# The packages bring the venv module.
$(CACHE)/venv-%/.complete: | $(PACKAGES_STAMP)
	@rm -rf $(@D)
	@$(call interpreter,$(word 2,$(subst _, ,$*))) -m venv $(@D)
	@echo "Installing Python packages into $(@D)"
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement requirements/$(firstword $(subst _, ,$*)).txt
	@touch $@

$(VENV)/.complete: | own-python
.PHONY: own-python
own-python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed")'

.PHONY: requirements
requirements: $(VENV)/.complete ## pin the files .txt in requirements/ anew from the files .in
	@$(PYTHON) -m venv $(CACHE)/uv
	@$(CACHE)/uv/bin/pip install --quiet uv
	@cd requirements && for each in 3.11/dev 3.11/extensions 3.11/publish \
	  3.11/core-2.19 3.12/core-2.20 3.12/core-2.21 3.13/core-2.22 3.8/host; do \
	  $(CACHE)/uv/bin/uv pip compile --quiet --upgrade --universal --python-version $${each%/*} --no-emit-index-url \
	    --custom-compile-command 'make requirements' --output-file $${each#*/}.txt $${each#*/}.in; \
	done

# --- the collection ----------------------------------------------------------------------

# Tests run against what users install: the tarball.
.PHONY: install
install: $(VENV)/.complete ## build the collection and install it for the lab and the tests
	@rm -rf $(BUILD)
	@ansible-galaxy collection build --output-path $(BUILD) .
	@ansible-galaxy collection install --offline --no-deps --force --collections-path $(BUILD) $(BUILD)/*.tar.gz

# --- the lab -----------------------------------------------------------------------------

.PHONY: lab-up
lab-up: setup ## boot LAB_GUESTS virtual machines (builds their image the first time)
	@$(LAB_PLAYBOOK) molecule/lab/up.yml

.PHONY: lab-down
lab-down: setup ## remove the virtual machines; images stay cached
	@$(LAB_PLAYBOOK) molecule/lab/down.yml

.PHONY: lab-network
lab-network: setup
	@$(LAB_PLAYBOOK) molecule/lab/network.yml

# What an interrupted run left: guests, and Molecule's belief in them.
.PHONY: lab-fresh
lab-fresh: setup
	@$(AS_ROOT) rm -rf $(MOLECULE_STATE)
	@if $(AS_ROOT) test -e $(LAB_RUN); then $(LAB_PLAYBOOK) molecule/lab/down.yml; fi

.PHONY: lab-image
lab-image: setup ## build the virtual machines' image only
	@$(LAB_PLAYBOOK) molecule/lab/image.yml

.PHONY: lab-ssh
lab-ssh: ## a shell on HOST
	@$(IN_LAB) ssh -F $(LAB_RUN)/ssh_config $(HOST)

.PHONY: lab-console
lab-console: ## follow the serial console of HOST
	@$(AS_ROOT) tail --lines=100 --follow $(LAB_RUN)/$(HOST)/console.log

.PHONY: lab-shell
lab-shell: setup ## a shell where ansible reaches the guests (-i $$LAB_RUN/inventory.yml)
	@$(IN_LAB) $(SHELL)

# --- publishing --------------------------------------------------------------------------

PUBLISH_VENV := $(call environment,publish,own)
PUBLISH := $(CACHE)/publish-$(notdir $(BUILD))
# The collection to publish, with its guides in the format that documentation sites take.
PUBLISHED := $(PUBLISH)/ansible_collections/fleet/kexec
# Environment for the tools that publish: without the callbacks that the lab adds.
PUBLISHING := env --unset=ANSIBLE_CALLBACK_PLUGINS --unset=ANSIBLE_CALLBACKS_ENABLED PATH="$(PUBLISH_VENV)/bin:$$PATH" \
  ANSIBLE_COLLECTIONS_PATH=$(PUBLISH)

.PHONY: published
published: $(PUBLISH_VENV)/.complete
	@rm -rf $(PUBLISHED)
	@mkdir -p $(PUBLISHED)
	@git ls-files --cached --others --exclude-standard --deduplicate -z | xargs -0 cp --parents --no-dereference -t $(PUBLISHED)
	@cd $(PUBLISHED) && $(PUBLISHING) python docs/docsite/guides.py

.PHONY: package
package: published ## build the tarball to publish, and import it as Galaxy would (it is left in the cache)
	@rm -rf $(PUBLISH)/package
	@$(PUBLISHING) ansible-galaxy collection build --output-path $(PUBLISH)/package $(PUBLISHED)
	@cd $(PUBLISH)/package && $(PUBLISHING) GALAXY_IMPORTER_CONFIG=$(CURDIR)/tests/galaxy-importer.cfg \
	  GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP=$(PUBLISH)/tmp python -m galaxy_importer.main fleet-kexec-*.tar.gz > import.log 2>&1 \
	  || { cat import.log; exit 1; }
	@! grep -E '^(WARNING|ERROR)' $(PUBLISH)/package/import.log
	@echo "galaxy-importer has no complaint about $$(echo $(PUBLISH)/package/*.tar.gz)"

.PHONY: docs
docs: published ## build the documentation's site (it is left in the cache)
	@cd $(PUBLISHED) && $(PUBLISHING) antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck \
	  --validate-collection-refs all --disallow-unknown-collection-refs .
	@rm -rf $(PUBLISH)/site && mkdir -p -m 755 $(PUBLISH)/site/source
	@$(PUBLISHING) antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir $(PUBLISH)/site/source fleet.kexec
	@$(PUBLISHING) sphinx-build -M html $(PUBLISH)/site/source $(PUBLISH)/site -c $(PUBLISHED)/docs/docsite --quiet --fail-on-warning --keep-going
	@echo "The documentation: $(PUBLISH)/site/html/index.html"

.PHONY: publishable
publishable: docs package

.PHONY: checks
checks: lint publishable ## what needs no tests and no virtual machines: lint, documentation and tarball

# --- tests -------------------------------------------------------------------------------

# Python and ansible-test want the checkout at its place below ansible_collections.
TREE := $(CACHE)/tree-$(notdir $(BUILD))
IN_TREE := cd $(TREE)/ansible_collections/fleet/kexec &&

$(TREE)/ansible_collections/fleet/kexec:
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR) $@

.PHONY: lint
lint: $(VENV)/.complete | $(TREE)/ansible_collections/fleet/kexec ## style, types, playbooks
	@ruff format --check --quiet . || { echo "ruff format finds files to format"; exit 1; }
	@ruff check --quiet .
	@yamllint --strict .
	@cd $(TREE) && mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CACHE)/mypy \
	  $(foreach package,extensions plugins tests,-p ansible_collections.fleet.kexec.$(package))
	@mypy --cache-dir $(CACHE)/mypy molecule/lab/lab.py
	@$(IN_TREE) ANSIBLE_COLLECTIONS_PATH=$(TREE) ansible-lint -q --nocolor
	@antsibull-changelog lint
	@reuse lint --quiet || { reuse lint; exit 1; }

# Debian's current ones, for the tests of what takes kernels apart. Fetched once; remove them to have newer ones.
KERNELS := $(CACHE)/kernels/.complete-$(shell sha256sum tests/kernels.py | cut -c1-12)

.PHONY: kernels
kernels: $(KERNELS) ## fetch the kernels that the unit tests take apart

$(KERNELS): | $(PACKAGES_STAMP)
	@$(PYTHON) tests/kernels.py $(CACHE)
	@touch $@

.PHONY: stub
stub: setup ## assemble the stub of fast images into the module that carries it
	@$(PYTHON) tests/assemble_stub.py

# Prometheus' own check of metrics, out of Debian's package: installed, that would start a server.
PROMTOOL := $(CACHE)/promtool

$(PROMTOOL): | $(PACKAGES_STAMP)
	@directory=$$(mktemp -d $(CACHE)/prometheus.XXXXXX); trap 'rm -rf "$$directory"' EXIT; cd "$$directory"; \
	download=(apt-get download --quiet=2 -o APT::Sandbox::User=root prometheus); \
	"$${download[@]}" || { $(SUDO) apt-get update && "$${download[@]}"; }; \
	dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract --to-stdout ./usr/bin/promtool > promtool; \
	chmod +x promtool; mv promtool $@

PYTEST_ALL := python -m pytest --quiet --numprocesses auto --dist worksteal

.PHONY: unit
unit: $(VENV)/.complete $(KERNELS) $(PROMTOOL) | $(TREE)/ansible_collections/fleet/kexec ## unit tests
	@PYTHONPATH=$(TREE) $(PYTEST_ALL) tests/unit

# Draws examples and faults. It is shown, so that a failure can be had again.
SEED := $(or $(SEED),$(shell date +%s))

# Examples that each model is tried with.
EXAMPLES ?= 10000

.PHONY: models
models: $(VENV)/.complete | $(TREE)/ansible_collections/fleet/kexec ## scheduler, resume, debts, entries, machines against models written from docs/ (EXAMPLES=10000 SEED=…)
	@echo "make models EXAMPLES=$(EXAMPLES) SEED=$(SEED)"
	@PYTHONPATH=$(TREE) MODEL_EXAMPLES=$(EXAMPLES) $(PYTEST_ALL) --hypothesis-seed=$(SEED) --durations=0 --durations-min=1 tests/unit/models

.PHONY: plays
plays: $(VENV)/.complete | $(TREE)/ansible_collections/fleet/kexec ## playbooks with pretended hosts, by the oldest and the newest ansible-core
	@$(call side-by-side,plays-oldest plays-newest)

.PHONY: plays-oldest
plays-oldest:
	@PYTHONPATH=$(TREE) PLAYS_ANSIBLE=$(VENV)/bin/ansible-playbook python -m pytest --quiet tests/plays

# Environment with the programs that extensions/ are for; the collection itself does not need them.
EXTENSIONS := $(call environment,extensions,own)
IN_EXTENSIONS := PATH=$(EXTENSIONS)/bin:$$PATH PYTHONPATH=$(TREE) $(EXTENSIONS)/bin/python -m pytest --quiet

.PHONY: monitoring
monitoring: $(EXTENSIONS)/.complete $(PROMTOOL) | $(TREE)/ansible_collections/fleet/kexec ## alert rules by promtool, the dashboard by Grafana's model
	@$(IN_EXTENSIONS) tests/monitoring

# The modules that make AWX's objects, out of the distribution that has all collections: one in a hundred of its bytes.
AWX_OF := ansible==12.3.0
AWX_COLLECTIONS := $(CACHE)/awx-$(AWX_OF)

$(AWX_COLLECTIONS): | $(EXTENSIONS)/.complete
	@directory=$$(mktemp -d $(CACHE)/awx.XXXXXX); trap 'rm -rf "$$directory"' EXIT; \
	$(EXTENSIONS)/bin/pip download --quiet --disable-pip-version-check --no-deps --dest "$$directory" $(AWX_OF); \
	$(PYTHON) -c 'import sys, zipfile; wheel = zipfile.ZipFile(sys.argv[1]); wheel.extractall(sys.argv[2], \
	  [name for name in wheel.namelist() if name.startswith("ansible_collections/awx/awx/")])' "$$directory"/*.whl "$$directory/made"; \
	mv "$$directory/made" $@

.PHONY: eda
eda: $(EXTENSIONS)/.complete $(EDA_STAMP) $(AWX_COLLECTIONS) | $(TREE)/ansible_collections/fleet/kexec ## rulebooks, AWX's objects and the execution environment
	@AWX_COLLECTIONS=$(AWX_COLLECTIONS) $(IN_EXTENSIONS) tests/eda

# Pictures of the report's page, for people to look at.
SCREENSHOTS := $(CACHE)/screenshots

.PHONY: browser
browser: $(VENV)/.complete $(BROWSER_STAMP) | $(TREE)/ansible_collections/fleet/kexec ## the report's page in a real browser (pictures are left in the cache)
	@mkdir -p $(SCREENSHOTS)
	@PYTHONPATH=$(TREE) SCREENSHOTS=$(SCREENSHOTS) timeout 300 python -m pytest --quiet tests/browser

.PHONY: picture
picture: $(VENV)/.complete $(BROWSER_STAMP) | $(TREE)/ansible_collections/fleet/kexec ## make the README's picture and the recording of the live view anew
	@PYTHONPATH=$(TREE) timeout 300 python tests/picture.py docs

# A copy for each, because ansible-test follows no links.
SANITY := $(CACHE)/sanity-$(notdir $(BUILD))
# ansible-test makes environments of its own, and would download from a place of its own what it makes them with.
SANITY_CACHE := $(HOME)/.ansible/test/cache
# For ansible-core 2.19, and for later ones.
GET_PIPS := get_pip_24_2.py get_pip_25_2.py

# ansible-test with the options $(2) in the copy $(1). One at a time: they share the environments that they make.
run-sanity = copy=$(SANITY)/$(1)/ansible_collections/fleet/kexec; rm -rf "$$copy"; mkdir -p "$$copy" $(SANITY_CACHE); \
  for each in $(GET_PIPS); do cp --update tests/sanity/get_pip.py $(SANITY_CACHE)/$$each; done; \
  git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents -t "$$copy"; \
  cd "$$copy"; git init --quiet; git add --all; flock $(SANITY_CACHE) ansible-test sanity $(2) --color no

.PHONY: sanity
sanity: $(VENV)/.complete ## ansible-test sanity
	@$(call run-sanity,own,--python $$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])'))

# --- other versions ----------------------------------------------------------------------

# Supported versions of ansible-core with the controller's Python, and Pythons of hosts, as in docs/support-matrix.md. Interpreters
# that are not here are not installed (Debian has one, others are to be had by pyenv and uv only): what then was not run is said.
COMBINATIONS := 2.19-3.11 2.19-3.12 2.19-3.13 2.20-3.12 2.20-3.13 2.21-3.12 2.21-3.13 2.22-3.13
HOST_PYTHONS := 3.8 3.9 3.10 3.11 3.12 3.13
# The newest release of ansible-core, with the newest Python that is here.
NEWEST := 2.21-$(or $(lastword $(foreach each,3.12 3.13,$(if $(call interpreter,$(each)),$(each)))),3.13)

# Parts of a target's stem, such as 2.21-3.13.
core = $(firstword $(subst -, ,$*))
python = $(lastword $(subst -, ,$*))

# The command $(2) in the environment of requirements/$(1).txt, or word that it was not run. Two may want an environment at once.
in-environment = $(if $(call interpreter,$(python)),\
  venv=$(call environment,$(1),$(python)); flock $(CACHE) $(MAKE) --silent --no-print-directory $$venv/.complete; PATH=$$venv/bin:$$PATH; $(2),\
  echo "NOT RUN, for want of a Python $(python): $@" | tee --append $(TOOK))

# Tests of code that runs on hosts are left out: that depends on the host's Python, not on the controller's ansible-core. Of
# the rest, three files in four import ansible, through what they test.
unit-core-%: $(KERNELS) $(PROMTOOL) | $(TREE)/ansible_collections/fleet/kexec
	@$(call in-environment,core-$(core),PYTHONPATH=$(TREE) $(PYTEST_ALL) --ignore tests/unit/plugins/module_utils tests/unit)

# The candidate's pylint takes a package from GitHub's archive, where the index alone does not reach.
sanity-core-2.22-%: SANITY_OPTIONS := --skip-test pylint

sanity-core-%:
	@$(call in-environment,core-$(core),$(call run-sanity,$*,--python $(python) $(SANITY_OPTIONS)))

plays-core-%: $(VENV)/.complete | $(TREE)/ansible_collections/fleet/kexec
	@$(call in-environment,core-$(core),PYTHONPATH=$(TREE) PLAYS_ANSIBLE=$$venv/bin/ansible-playbook $(VENV)/bin/python -m pytest --quiet tests/plays)

# The oldest ansible-core is the only one that hosts with Python 3.8 can have.
HOST_TREE := $(TREE)-host

unit-host-%: $(VENV)/.complete $(KERNELS) | $(TREE)/ansible_collections/fleet/kexec
	@mkdir -p $(HOST_TREE)
	@ln -sfn $(VENV)/lib/python3*/site-packages/ansible $(TREE)/ansible_collections $(HOST_TREE)
	@$(call in-environment,host,PYTHONPATH=$(HOST_TREE) $(PYTEST_ALL) tests/unit/plugins/module_utils)

.PHONY: unit-newest sanity-newest plays-newest unit-hosts sanity-hosts
unit-newest: unit-core-$(NEWEST)
sanity-newest: sanity-core-$(NEWEST)
plays-newest: plays-core-$(NEWEST)
unit-hosts: $(addprefix unit-host-,$(firstword $(HOST_PYTHONS)) $(lastword $(HOST_PYTHONS)))

# Each Python that is here compiles and imports what may come to it. ansible-test warns of those that are missing.
sanity-hosts: $(VENV)/.complete
	@for each in $(foreach each,$(HOST_PYTHONS),$(dir $(call interpreter,$(each)))); do PATH=$$each:$$PATH; done; \
	PATH=$(VENV)/bin:$$PATH; \
	$(call run-sanity,hosts,--test compile --test import)

.PHONY: test-versions
test-versions: setup ## unit tests, sanity and plays with each version of ansible-core and Python (40 minutes)
	@for each in $(addprefix unit-core-,$(COMBINATIONS)) $(addprefix unit-host-,$(HOST_PYTHONS)); do $(MAKE) $$each; done
	@$(call side-by-side,sanity-hosts $(foreach each,$(COMBINATIONS),sanity-core-$(each) plays-core-$(each)))

.PHONY: molecule
molecule: install lab-image scenarios ## run SCENARIO (or several) on virtual machines

# Such as --destroy=never, to look at guests that failed.
MOLECULE_OPTIONS ?=

.PHONY: scenarios
scenarios: lab-fresh lab-network
	@$(IN_LAB) env MOLECULE_EPHEMERAL_DIRECTORY=$(MOLECULE_STATE) molecule --base-config molecule/lab/molecule.yml test $(MOLECULE_OPTIONS) $(foreach name,$(SCENARIO),--scenario-name $(name))

# What must pass at every landing.
TESTS := unit unit-newest unit-hosts test-pairs test-fleet

# How long each part took, for the end of `make test`.
TOOK := $(BUILD).took

.PHONY: test
test: setup ## everything that must pass at every landing
	@: > $(TOOK); for each in $(TESTS); do \
	  began=$$SECONDS; $(MAKE) $$each; echo "$$each $$((SECONDS - began)) s" >> $(TOOK); \
	done; \
	echo "All of it passed:"; sed 's/^/  /' $(TOOK); echo "  in all $$SECONDS s"

# Makes targets that take a core each, two at a time. Lines begin with the target that they are of.
side-by-side = printf '%s\n' $(1) | xargs --max-procs=2 --replace=target $(SHELL) $(.SHELLFLAGS) \
  'began=$$SECONDS; $(MAKE) --no-print-directory target 2>&1 | sed --unbuffered "s/^/target: /"; \
  echo "  target $$((SECONDS - began)) s" >> $(TOOK)'

# The longest first, and those that build an image. What they share, the collection and the keys of all labs, is there before.
.PHONY: test-pairs
test-pairs: install
	@$(MAKE) lab-image LAB_GUESTS=0
	@$(call side-by-side,test-prepare test-machine test-image test-reboot sanity plays-oldest plays-newest publishable sanity-newest lint browser monitoring eda)

# One guest each, in a lab of its own.
.PHONY: test-prepare test-machine test-image test-reboot
test-prepare:
	@$(MAKE) lab-image scenarios LAB_NAME=$(LAB_NAME)-prepare LAB_VARS=molecule/lab/bare.yml SCENARIO="default prepared reservation"
test-machine:
	@$(MAKE) lab-image scenarios LAB_NAME=$(LAB_NAME)-machine LAB_VARS=molecule/lab/machine.yml SCENARIO="machine"
test-image:
	@$(MAKE) lab-image scenarios LAB_NAME=$(LAB_NAME)-image LAB_GUESTS=1 SCENARIO="fast_image reserved"
test-reboot:
	@$(MAKE) lab-image scenarios LAB_NAME=$(LAB_NAME)-reboot LAB_GUESTS=1 SCENARIO="stage reboot"

.PHONY: test-fleet
test-fleet:
	@$(MAKE) molecule LAB_GUESTS=3 SCENARIO="rolling_reboot recovery"

.PHONY: test-matrix
test-matrix: test test-versions ## test, and all that is too long for it: other versions, releases, kernels and firmware
	@$(MAKE) molecule LAB_VARS=molecule/lab/entries.yml SCENARIO="default default_entry"
	@$(MAKE) molecule LAB_VARS=molecule/lab/matrix.yml SCENARIO="default stage reboot fast_image reserved"
	@$(MAKE) molecule LAB_GUESTS=3 SCENARIO="default rolling_reboot_failures recovery_more"
	@$(MAKE) molecule LAB_VARS=molecule/lab/watching.yml SCENARIO="watching"
	@$(MAKE) molecule LAB_VARS=molecule/lab/machine.yml SCENARIO="machine_clean machine_more"
	@$(MAKE) molecule LAB_VARS=molecule/lab/soft.yml SCENARIO="soft"
	@$(MAKE) molecule LAB_VARS=molecule/lab/matrix-memory.yml SCENARIO="default fast_image reserved"
	@$(MAKE) molecule LAB_VARS=molecule/lab/bare.yml SCENARIO="default prepare reservation_refused"
	@$(MAKE) molecule LAB_VARS=molecule/lab/matrix-bare.yml SCENARIO="default prepare reservation_refused prepared reservation"
	@$(MAKE) molecule LAB_VARS=molecule/lab/kdump.yml SCENARIO="kdump"
	@$(MAKE) molecule LAB_VARS=molecule/lab/prepare-boot.yml SCENARIO="prepare_boot"
	@$(MAKE) molecule LAB_GUESTS=1 SCENARIO="soak"

# How many reboots in a row, and which staging options are drawn for them.
N ?= 100
SOAK_SEED ?= 1

.PHONY: soak
soak: ## reboot a virtual machine N times in a row, each with other options, while a program writes (TCG: 80 s each)
	@mkdir -p $(BENCH_RESULTS)
	@$(MAKE) molecule LAB_GUESTS=1 SCENARIO="default soak" SOAK_REBOOTS=$(N) SOAK_RESULT=$(BENCH_RESULTS)/soak.json

# As many guests as fit beside the controllers and the page cache: 384 MiB each, and what QEMU takes itself. Nine have addresses.
CHAOS_GUESTS = $(shell awk '/^MemAvailable:/ {fit = int(($$2 / 1024 - 1536) / 512); print (fit > 9 ? 9 : fit)}' /proc/meminfo)

.PHONY: chaos
chaos: install chaos-scenario ## reboot a fleet by two controllers while controllers, networks, disks and guests fail (SEED draws which)

.PHONY: chaos-scenario
chaos-scenario:
	@echo "make chaos SEED=$(SEED)"
	@$(MAKE) lab-image scenarios LAB_GUESTS=$(CHAOS_GUESTS) LAB_VARS=molecule/lab/chaos.yml SCENARIO=chaos CHAOS_SEED=$(SEED)

# --- a night of it -----------------------------------------------------------------------

# More options: NIGHT="--list", NIGHT="--only secure-boot --again", NIGHT="--hours 4".
NIGHT ?=
IN_NIGHT = PYTHONPATH=$(TREE) python -m ansible_collections.fleet.kexec.tests.night

.PHONY: night
night: setup install | $(TREE)/ansible_collections/fleet/kexec ## every guest of the matrix through everything, within 8 hours; run it again to go on (table: cache)
	@$(IN_NIGHT).run --cache $(CACHE) $(NIGHT)

# A summary other than the one that is kept: SUMMARY=~/.cache/fleet-kexec/night/summary.json.
SUMMARY ?=

.PHONY: night-docs
night-docs: $(VENV)/.complete | $(TREE)/ansible_collections/fleet/kexec ## show the summary of a night in the documentation
	@$(IN_NIGHT).docs $(SUMMARY)

# --- measuring it ------------------------------------------------------------------------

# More variables for the playbook: bench_only (a regular expression), bench_repetitions, bench_at_once.
BENCH_VARS ?=
# Of bench-ways.
BENCH_REPETITIONS ?= 3

.PHONY: bench
bench: bench-native bench-rollout bench-jump bench-ways ## measure (two hours; the parts are bench-native, -rollout, -jump and -ways)

.PHONY: bench-native
bench-native: $(VENV)/.complete $(KERNELS) | $(TREE)/ansible_collections/fleet/kexec ## time the stub's own code, building, staging, gathering facts and taking snapshots on this CPU
	@mkdir -p $(BENCH_RESULTS)
	@PYTHONPATH=$(TREE) python tests/bench/native.py --json $(BENCH_RESULTS)/native.json
	@PYTHONPATH=$(TREE) python tests/bench/staging.py --kernels $(CACHE)/kernels --json $(BENCH_RESULTS)/staging.json
	@PYTHONPATH=$(TREE) python tests/bench/facts.py --kernels $(CACHE)/kernels --json $(BENCH_RESULTS)/facts.json
	@PYTHONPATH=$(TREE) python tests/bench/machine.py --json $(BENCH_RESULTS)/machine.json

# Fewer hosts, other forks of ansible.builtin.reboot, for a quick look: BENCH_ROLLOUT="--hosts 100 --forks 50".
BENCH_ROLLOUT ?=

.PHONY: bench-rollout
bench-rollout: setup | $(TREE)/ansible_collections/fleet/kexec ## reboot fleets of simulated hosts, by ansible.builtin.reboot too
	@[ -x /usr/sbin/sshd ] || { echo "This takes an sshd: install the package openssh-server"; exit 1; }
	@mkdir -p $(BENCH_RESULTS)
	@PYTHONPATH=$(TREE) python tests/bench/rollout.py --json $(BENCH_RESULTS)/rollout.json $(BENCH_ROLLOUT)

# Old figures are removed, so that a table is of one run.
.PHONY: bench-jump
bench-jump: setup ## time the jump on every kernel, in guests that count instructions
	@$(MAKE) install
	@rm -rf $(BENCH_RESULTS)/jump
	@trap '$(MAKE) --no-print-directory lab-down LAB_VARS=tests/bench/lab.yml' EXIT; \
	$(MAKE) lab-up LAB_VARS=tests/bench/lab.yml; \
	$(IN_LAB) ansible-playbook --inventory $(LAB_RUN)/inventory.yml tests/bench/jump.yml \
	  --extra-vars bench_results=$(BENCH_RESULTS)/jump $(if $(BENCH_VARS),--extra-vars '$(BENCH_VARS)'); \
	python tests/bench/table.py $(BENCH_RESULTS)/jump --json $(BENCH_RESULTS)/jump.json

.PHONY: bench-ways
bench-ways: setup | $(TREE)/ansible_collections/fleet/kexec ## reboot a guest as Debian installs it by each way in turn
	@$(MAKE) install
	@mkdir -p $(BENCH_RESULTS)
	@trap '$(MAKE) --no-print-directory lab-down LAB_VARS=molecule/lab/stock.yml' EXIT; \
	$(MAKE) lab-up LAB_VARS=molecule/lab/stock.yml LAB_GUESTS=1; \
	$(PLAY_IN_LAB) fleet.kexec.prepare; \
	$(IN_LAB) env PYTHONPATH=$(TREE) python tests/bench/ways.py $(LAB_RUN)/inventory.yml \
	  --repetitions $(BENCH_REPETITIONS) --json $(BENCH_RESULTS)/ways.json

# --- showing it --------------------------------------------------------------------------

.PHONY: demo
demo: setup ## a rolling reboot of three virtual machines by kexec, with its plan first (KEEP=1 keeps them)
	@export ANSIBLE_DISPLAY_SKIPPED_HOSTS=false; began=$$SECONDS; trap '[ "$(KEEP)" = 1 ] || $(MAKE) --no-print-directory lab-down' EXIT; \
	step() { echo; echo "=== $$* ($$((SECONDS - began)) s) ==="; }; \
	step "Building and installing the collection"; \
	$(MAKE) --no-print-directory install; \
	step "Booting three virtual machines"; \
	ANSIBLE_DISPLAY_OK_HOSTS=false $(MAKE) --no-print-directory lab-up LAB_GUESTS=3; \
	step "Preparing them"; \
	$(PLAY_IN_LAB) fleet.kexec.prepare; \
	step "Preflight: how would each reboot?"; \
	$(PLAY_IN_LAB) fleet.kexec.preflight; \
	step "The plan"; \
	$(PLAY_IN_LAB) -e @molecule/lab/demo.yml --check fleet.kexec.rolling_reboot; \
	step "Rolling reboot: a canary, then two at a time"; \
	$(PLAY_IN_LAB) -e @molecule/lab/demo.yml fleet.kexec.rolling_reboot; \
	step "The report"; \
	$(PLAY_IN_LAB) -e report_html=$(CACHE)/demo.html -e report_json=$(CACHE)/demo.json fleet.kexec.report; \
	step "What was proven"; \
	$(AS_ROOT) jq --raw-output --from-file molecule/lab/proven.jq $(CACHE)/demo.json; \
	echo "Where the seconds went: $(CACHE)/demo.html"
