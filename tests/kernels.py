# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Fetches the kernels that the unit tests take apart: `make kernels`.

The current ones of Debian, by apt with directories of its own: the machine's
apt lends its proxies, and a mirror, and is otherwise left alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"

COMMAND_TIMEOUT_S = 600
VMLINUZ_MAX_BYTES = 64 << 20
VMLINUZ = re.compile(r"(\./)?(boot/vmlinuz-[^/]+|usr/lib/modules/[^/]+/vmlinuz)")
# From the metapackage: linux-image-6.12.107+deb13-cloud-amd64 (= 6.12.107-1), and since 7.2 from that on to
# linux-binary-7.3.4+deb13-cloud-amd64 (= 7.3.4-1).
IMAGE_DEPENDENCY = re.compile(r"\b(linux-image-\d\S*) \(= [^)\s]+\)")
BINARY_DEPENDENCY = re.compile(r"\b(linux-binary-\d\S*) \(= [^)\s]+\)")


class Kernel(NamedTuple):
    """A kernel by the metapackage that always names the current one."""

    name: str
    suite: str
    package: str
    architecture: str = "amd64"


#: Every packing that Debian uses; sorted by suite.
KERNELS = (
    Kernel("bookworm-cloud", "bookworm", "linux-image-cloud-amd64"),  # 6.1, lz4
    Kernel("bookworm-generic", "bookworm", "linux-image-amd64"),  # 6.1, xz
    Kernel("trixie-cloud", "trixie", "linux-image-cloud-amd64"),  # 6.12, zstd
    Kernel("trixie-cloud-arm64", "trixie", "linux-image-cloud-arm64", "arm64"),  # 6.12, plain
    Kernel("trixie-backports-cloud", "trixie-backports", "linux-image-cloud-amd64"),  # 7.3, zstd
    Kernel("trixie-backports-cloud-arm64", "trixie-backports", "linux-image-cloud-arm64", "arm64"),  # 7.3, plain
)

APT_CONFIG = """\
#clear APT::Architectures;
#clear APT::Update;
Dir::Etc::sourcelist "{directory}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{directory}";
Dir::State::lists "{directory}/lists";
Dir::State::status "{directory}/status";
Dir::Cache "{directory}";
APT::Architecture "{architecture}";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "60";
APT::Update::Error-Mode "any";
"""


def output_of(argv: Sequence[str]) -> str:
    """What a command prints; it says itself what went wrong."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=COMMAND_TIMEOUT_S).stdout


def find_mirror() -> str:
    """LAB_MIRROR, or where this machine gets Debian from, or where everybody does."""
    given = os.environ.get("LAB_MIRROR")
    if given:
        return given
    for uri in output_of(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).split():
        if uri.startswith("http") and uri.rstrip("/").endswith("/debian"):
            return uri
    return DEFAULT_MIRROR


@contextmanager
def apt_of(suite: str, architecture: str, mirror: str, directory: Path) -> Iterator[Path]:
    """Configuration of an apt that knows one suite, and nothing is installed for."""
    with tempfile.TemporaryDirectory(prefix="apt-", dir=directory) as name:
        apt = Path(name)
        (apt / "lists" / "partial").mkdir(parents=True)
        (apt / "archives" / "partial").mkdir(parents=True)
        (apt / "status").touch()
        (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n", encoding="utf-8")
        config = apt / "apt.conf"
        config.write_text(APT_CONFIG.format(directory=apt, architecture=architecture), encoding="utf-8")
        subprocess.run(["apt-get", "--config-file", str(config), "--quiet=2", "update"], check=True, timeout=COMMAND_TIMEOUT_S)
        yield config


def depends_of(config: Path, package: str) -> str:
    """What a package depends on, in its current version."""
    shown = output_of(["apt-cache", "--config-file", str(config), "--no-all-versions", "show", package])
    return next((line for line in shown.splitlines() if line.startswith("Depends:")), "")


def download(config: Path, metapackage: str) -> Path:
    """The package that holds the kernel which a metapackage stands for."""
    image = IMAGE_DEPENDENCY.search(depends_of(config, metapackage))
    if image is None:
        raise SystemExit(f"{metapackage} depends on no kernel")
    binary = BINARY_DEPENDENCY.search(depends_of(config, image[1]))
    package = (binary or image)[1]
    subprocess.run(
        ["apt-get", "--config-file", str(config), "--quiet=2", "download", package],
        check=True,
        cwd=config.parent,
        timeout=COMMAND_TIMEOUT_S,
    )
    return next(config.parent.glob(f"{package}_*.deb"))


def extract_vmlinuz(package: Path, target: Path) -> None:
    """Take the kernel out of its package; the target is there when it is whole."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpack:
        try:
            with tarfile.open(mode="r|", fileobj=unpack.stdout) as archive:
                member = next((entry for entry in archive if entry.isfile() and VMLINUZ.fullmatch(entry.name)), None)
                content = member and archive.extractfile(member)
                if not (member and content and member.size <= VMLINUZ_MAX_BYTES):
                    raise SystemExit(f"{package.name} holds no kernel")
                target.parent.mkdir(exist_ok=True)
                part = package.with_name("vmlinuz")
                with part.open("wb") as out:
                    shutil.copyfileobj(content, out)
                part.replace(target)
        finally:
            unpack.kill()


def fetch_kernels(directory: Path) -> None:
    """Fetch those that are not there yet into DIRECTORY/NAME/vmlinuz."""
    directory.mkdir(parents=True, exist_ok=True)
    missing = [kernel for kernel in KERNELS if not (directory / kernel.name / "vmlinuz").exists()]
    if not missing:
        return
    if not KEYRING.exists():
        raise SystemExit(f"{KEYRING} is missing; install debian-archive-keyring")
    mirror = find_mirror()
    for (suite, architecture), kernels in groupby(missing, key=lambda kernel: (kernel.suite, kernel.architecture)):
        with apt_of(suite, architecture, mirror, directory) as config:
            for kernel in kernels:
                package = download(config, kernel.package)
                extract_vmlinuz(package, directory / kernel.name / "vmlinuz")
                print(f"{kernel.name}: {package.name}")
                package.unlink()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path, metavar="CACHE_DIR", help="the kernels go into its directory kernels/")
    try:
        fetch_kernels(parser.parse_args(arguments).cache.absolute() / "kernels")
    except (subprocess.SubprocessError, OSError) as error:
        raise SystemExit(f"fetching the kernels failed: {error}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
