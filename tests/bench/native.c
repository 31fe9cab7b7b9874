// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, fleet.kexec contributors
//
// Times the stub's own bytes on this CPU: its check and its move, over a kernel and an initrd that are
// in no cache, beside what else could be done with as many bytes. Built and run by native.py; prints ms as JSON.
#define _GNU_SOURCE
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MIB ((size_t)1 << 20)
#define ALIGNMENT (2 * MIB)
// Nothing in the stub is longer.
#define CODE_MAX_BYTES 4096
#define VARIANTS 10
#define REPEATS_MAX 1000

static void die(const char *message)
{
	fprintf(stderr, "native: %s\n", message);
	exit(1);
}

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

// --- the stub ---

typedef void (*sums_fn)(const void *data, uint64_t bytes, uint32_t sums[4]);
typedef void (*move_fn)(void *to, const void *from, uint64_t bytes);

static uint8_t *load_code(const char *path)
{
	uint8_t *code = mmap(NULL, CODE_MAX_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file = fopen(path, "rb");
	if (code == MAP_FAILED || !file || !fread(code, 1, CODE_MAX_BYTES, file))
		die("can't load the stub's code");
	fclose(file);
	return code;
}

// --- SHA-256, as the purgatory has it: FIPS 180-4 in C, for any x86-64 ---

#define SCALAR __attribute__((noinline, target("arch=x86-64"), optimize("no-tree-vectorize")))
#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))

static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// One block, its schedule worked out first; eight rounds at a time, so that no register has to be moved.
#define ROUND(a, b, c, d, e, f, g, h, i) \
	do { \
		uint32_t t1 = h + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + (g ^ (e & (f ^ g))) + K[i] + w[i]; \
		uint32_t t2 = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & b) | (c & (a | b))); \
		d += t1; \
		h = t1 + t2; \
	} while (0)

SCALAR static void sha256_block(uint32_t state[8], const uint8_t *data)
{
	uint32_t w[64];
	for (int i = 0; i < 16; i++) {
		uint32_t word;
		memcpy(&word, data + 4 * i, 4);
		w[i] = __builtin_bswap32(word);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = s1 + w[i - 7] + s0 + w[i - 16];
	}
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	for (int i = 0; i < 64; i += 8) {
		ROUND(a, b, c, d, e, f, g, h, i + 0);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d;
	state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void sha256_start(uint32_t state[8])
{
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	memcpy(state, start, sizeof start);
}

// Whole blocks only: all that is timed is made of them.
static void sha256(uint32_t state[8], const uint8_t *data, size_t bytes)
{
	for (; bytes >= 64; data += 64, bytes -= 64)
		sha256_block(state, data);
}

// --- reading, with the widest loads there are ---

#if defined(__AVX512F__)
typedef __m512i vector;
#define VECTOR_XOR(a, p) _mm512_xor_si512(a, _mm512_load_si512(p))
#elif defined(__AVX2__)
typedef __m256i vector;
#define VECTOR_XOR(a, p) _mm256_xor_si256(a, _mm256_load_si256((const __m256i *)(p)))
#else
typedef __m128i vector;
#define VECTOR_XOR(a, p) _mm_xor_si128(a, _mm_load_si128((const __m128i *)(p)))
#endif

// Four sums, so that no load waits for one before it.
__attribute__((noinline)) static uint64_t read_all(const uint8_t *data, size_t bytes)
{
	vector a = {0}, b = {0}, c = {0}, d = {0};
	for (const uint8_t *end = data + bytes; data < end; data += 4 * sizeof(vector)) {
		a = VECTOR_XOR(a, data);
		b = VECTOR_XOR(b, data + sizeof(vector));
		c = VECTOR_XOR(c, data + 2 * sizeof(vector));
		d = VECTOR_XOR(d, data + 3 * sizeof(vector));
	}
	vector sum = a ^ b ^ c ^ d;
	uint64_t words[sizeof sum / 8], all = 0;
	memcpy(words, &sum, sizeof sum);
	for (size_t i = 0; i < sizeof sum / 8; i++)
		all ^= words[i];
	return all;
}

// --- the course ---

static struct { const char *name; double ms[REPEATS_MAX]; } variants[VARIANTS];
static int variant_count;

static void record(const char *name, int repeat, double ms)
{
	int i = 0;
	while (i < variant_count && strcmp(variants[i].name, name))
		i++;
	if (i == variant_count)
		variants[variant_count++].name = name;
	variants[i].ms[repeat] = ms;
}

static void flush(const uint8_t *data, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 64)
		_mm_clflush(data + at);
	_mm_mfence();
}

static void fill(uint8_t *data, size_t bytes)
{
	uint64_t value = 0x9e3779b97f4a7c15;
	for (size_t at = 0; at < bytes; at += 8) {
		value ^= value << 13, value ^= value >> 7, value ^= value << 17;
		memcpy(data + at, &value, 8);
	}
}

#define TIMED(name, ...) \
	do { \
		flush(memory, memory_bytes); \
		double begin = now_ms(); \
		__VA_ARGS__; \
		record(name, repeat, now_ms() - begin); \
	} while (0)

int main(int argc, char **argv)
{
	if (argc != 7)
		die("usage: native CODE SUMS_OFFSET MOVE_OFFSET KERNEL_BYTES INITRD_BYTES REPEATS");
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("sse4.2"))
		die("this CPU has no crc32 instruction");
	uint8_t *code = load_code(argv[1]);
	sums_fn sums = (sums_fn)(code + strtoul(argv[2], NULL, 0));
	move_fn move = (move_fn)(code + strtoul(argv[3], NULL, 0));
	size_t kernel_bytes = strtoul(argv[4], NULL, 0), initrd_bytes = strtoul(argv[5], NULL, 0);
	int repeats = atoi(argv[6]);
	if (kernel_bytes % 256 || initrd_bytes % 256 || repeats < 1 || repeats > REPEATS_MAX)
		die("sizes have to be multiples of 256, repeats 1 to 1000");

	uint32_t digest[8];
	uint8_t abc[64] = {'a', 'b', 'c', 0x80, [63] = 24};
	sha256_start(digest);
	sha256(digest, abc, sizeof abc);
	if (digest[0] != 0xba7816bf || digest[7] != 0xf20015ad)
		die("SHA-256 of \"abc\" is wrong");

	// At the bottom room for moving down, then the kernel, then the initrd, which memcpy copies both behind.
	// Large pages, as in the identity map that the stub runs on.
	size_t initrd_at = (ALIGNMENT + kernel_bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
	size_t copy_at = (initrd_at + initrd_bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
	size_t memory_bytes = copy_at + kernel_bytes + initrd_bytes;
	uint8_t *mapped = mmap(NULL, memory_bytes + ALIGNMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		die("no memory");
	uint8_t *memory = (uint8_t *)(((uintptr_t)mapped + ALIGNMENT - 1) & -ALIGNMENT);
	madvise(memory, memory_bytes, MADV_HUGEPAGE);
	fill(memory, memory_bytes);
	uint8_t *kernel = memory + ALIGNMENT, *initrd = memory + initrd_at, *copy = memory + copy_at;

	uint64_t sink = 0;
	uint32_t good[4], again[4], initrd_sums[4];
	for (int repeat = 0; repeat < repeats; repeat++) {
		TIMED("read", sink ^= read_all(kernel, kernel_bytes), sink ^= read_all(initrd, initrd_bytes));
		TIMED("check", sums(kernel, kernel_bytes, good), sums(initrd, initrd_bytes, initrd_sums));
		TIMED("memcpy", memcpy(copy, kernel, kernel_bytes), memcpy(copy + kernel_bytes, initrd, initrd_bytes));
		TIMED("sha256", sha256_start(digest), sha256(digest, kernel, kernel_bytes), sha256(digest, initrd, initrd_bytes));
		sink ^= digest[0];
		// Down by 1 MiB, as from CMA; and by a page, the least there can be. Each finds the kernel where the one before left it.
		uint8_t *lower = kernel - MIB, *least = lower - 4096;
		TIMED("move 1 MiB", move(lower, kernel, kernel_bytes));
		TIMED("move 4 KiB", move(least, lower, kernel_bytes));
		sums(least, kernel_bytes, again);
		if (memcmp(good, again, sizeof good))
			die("the kernel was damaged by moving it");
		memmove(kernel, least, kernel_bytes);
		TIMED("move 1 MiB and check", move(lower, kernel, kernel_bytes), sums(lower, kernel_bytes, again),
		      sums(initrd, initrd_bytes, initrd_sums));
		if (memcmp(good, again, sizeof good))
			die("the kernel was damaged by moving it");
		memmove(kernel, lower, kernel_bytes);
		TIMED("memmove 1 MiB", memmove(lower, kernel, kernel_bytes));
		memmove(kernel, lower, kernel_bytes);
	}

	printf("{\"load_bytes\": %zu, \"sink\": %d, \"ms\": {", sizeof(vector), sink == 1);
	for (int i = 0; i < variant_count; i++) {
		printf("%s\"%s\": [", i ? ", " : "", variants[i].name);
		for (int repeat = 0; repeat < repeats; repeat++)
			printf("%s%.4f", repeat ? ", " : "", variants[i].ms[repeat]);
		printf("]");
	}
	printf("}}\n");
	return 0;
}
