# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# Replaces the decompressor in a fast image: it verifies the kernel, moves it into place, and jumps.
# `make stub` assembles it into stub_code.py; a test compares the two.
#
# Entered by the 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"):
# %rsi points to boot_params, interrupts are off, all memory that matters is identity-mapped.
# The code is at 0x200 of the protected-mode part, the kernel 2 MiB from its start:
#
#     P            P+0x200   P+0x1000            P+2 MiB
#     | nothing    | stub    | nothing           | flat image of the kernel, then the rest of init_size
#                            ^ stack grows down
#
# A kernel must be aligned to 2 MiB, but CMA aligns P to 1 MiB only. If it is not aligned, it is moved
# down to the multiple below, which is P + 4 KiB or higher: it never hits the stub, and never leaves
# the memory that the loader reserved.
#
# A trampoline is the stub without a kernel behind it: kernel and initrd are in place elsewhere, at
# the addresses in the configuration, and nothing is moved.
#
# The stub is also put into the crash image, with another entry: a panic there resets the machine.

        .code64
        .text

        # boot_params: arch/x86/include/uapi/asm/bootparam.h
        .set    LOADFLAGS, 0x211
        .set    KASLR_FLAG, 1 << 1
        .set    RAMDISK_IMAGE, 0x218
        .set    RAMDISK_SIZE, 0x21c
        .set    EXT_RAMDISK_IMAGE, 0x0c0
        .set    EXT_RAMDISK_SIZE, 0x0c4
        # _pad8, the 48 bytes before eddbuf, is unused and shows up in /sys/kernel/boot_params/data.
        .set    STAMPS, 0xcd0
        .set    STAMP_MARK, STAMPS
        .set    STAMP_ENTRY, STAMPS + 8
        .set    STAMP_MOVED, STAMPS + 16
        .set    STAMP_EXIT, STAMPS + 24
        .set    STAMP_ADDRESS, STAMPS + 32
        .set    STAMP_KERNEL, STAMPS + 40

        .set    ENTRY_OFFSET, 0x200
        .set    STACK_OFFSET, 0x1000
        .set    KERNEL_OFFSET, 0x200000
        .set    KERNEL_ALIGNMENT, 0x200000

        # Flags of the configuration, and bits of the status.
        .set    CHECK, 1 << 0
        .set    RELOCATED, 1 << 1
        .set    MOVED, 1 << 2
        # "FKEX" and the version of the stamps; the status goes into byte 5.
        .set    MARK, 0x0258454b46
        .set    STATUS_SHIFT, 40

        .macro  stamp where
        rdtsc
        shlq    $32, %rdx
        orq     %rdx, %rax
        movq    %rax, \where(%rsi)
        .endm

        .globl  entry
entry:
        cli
        cld
        leaq    entry(%rip), %rbx
        subq    $ENTRY_OFFSET, %rbx             # P
        leaq    STACK_OFFSET(%rbx), %rsp
        stamp   STAMP_ENTRY
        movq    %rbx, STAMP_ADDRESS(%rsi)
        movq    %rsi, %rbp                      # the calls below may use %rsi
        movq    flags(%rip), %r15               # becomes the status

        # In place already, and the initrd's place is ours to tell.
        movq    kernel_at(%rip), %r14
        testq   %r14, %r14
        jz      4f
        movq    initrd_at(%rip), %rax
        movl    %eax, RAMDISK_IMAGE(%rbp)
        shrq    $32, %rax
        movl    %eax, EXT_RAMDISK_IMAGE(%rbp)
        movq    initrd_bytes(%rip), %rax
        movl    %eax, RAMDISK_SIZE(%rbp)
        shrq    $32, %rax
        movl    %eax, EXT_RAMDISK_SIZE(%rbp)
        jmp     1f
4:
        # Alignment.
        leaq    KERNEL_OFFSET(%rbx), %rsi
        movq    %rsi, %r14
        andq    $-KERNEL_ALIGNMENT, %r14        # where the kernel has to be
        cmpq    %rsi, %r14
        je      1f
        movq    %r14, %rdi
        movq    kernel_bytes(%rip), %rdx
        call    move
        orq     $MOVED, %r15
1:
        movq    %rbp, %rsi
        movq    %r14, STAMP_KERNEL(%rsi)
        stamp   STAMP_MOVED

        # Integrity of the kernel in its final place, and of the initrd.
        testb   $CHECK, %r15b
        jz      2f
        movq    %r14, %rdi
        movq    kernel_bytes(%rip), %rsi
        leaq    kernel_sums(%rip), %r13
        call    verify
        movl    RAMDISK_IMAGE(%rbp), %edi
        movl    EXT_RAMDISK_IMAGE(%rbp), %eax
        shlq    $32, %rax
        orq     %rax, %rdi
        movl    RAMDISK_SIZE(%rbp), %esi
        movl    EXT_RAMDISK_SIZE(%rbp), %eax
        shlq    $32, %rax
        orq     %rax, %rsi
        cmpq    initrd_bytes(%rip), %rsi
        jne     reset
        leaq    initrd_sums(%rip), %r13
        call    verify
2:
        # Tell the kernel whether it is at a random address, as the decompressor does otherwise: if so,
        # it randomises its memory layout too.
        movq    %rbp, %rsi
        andb    $~KASLR_FLAG, LOADFLAGS(%rsi)
        testb   $RELOCATED, %r15b
        jz      3f
        orb     $KASLR_FLAG, LOADFLAGS(%rsi)
3:
        shlq    $STATUS_SHIFT, %r15
        movabsq $MARK, %rax
        orq     %r15, %rax
        movq    %rax, STAMP_MARK(%rsi)
        stamp   STAMP_EXIT
        addq    kernel_entry(%rip), %r14
        jmp     *%r14

# Return only if the sums of %rsi bytes at %rdi equal those at %r13.
verify:
        subq    $16, %rsp
        movq    %rsp, %rdx
        call    sums
        movq    (%rsp), %rax
        cmpq    (%r13), %rax
        jne     reset
        movq    8(%rsp), %rax
        cmpq    8(%r13), %rax
        jne     reset
        addq    $16, %rsp
        ret

# Entry of a crash image: the kernel that panicked jumps here.
        .globl  crash_entry
crash_entry:
        cli
        leaq    entry(%rip), %rsp
        addq    $STACK_OFFSET-ENTRY_OFFSET, %rsp

# Do not run this kernel: reset through firmware. No way works on all machines, so this tries the ones
# that the kernel's own reboot uses (arch/x86/kernel/reboot.c).
reset:
        movw    $0xcf9, %dx
        inb     %dx, %al
        andb    $~0x0e, %al
        orb     $0x02, %al
        outb    %al, %dx
        call    pause
        orb     $0x0e, %al
        outb    %al, %dx
        call    pause
        movb    $0xfe, %al
        outb    %al, $0x64
        call    pause
        lidt    no_idt(%rip)
        ud2

# Wait some milliseconds: a write to port 0x80 takes about one microsecond on any PC.
pause:
        movl    $10000, %ecx
1:      outb    %al, $0x80
        loop    1b
        ret

# void move(void *to, const void *from, u64 bytes): "to" is below "from", they may overlap. Whole pages only.
        .globl  move
move:
        movq    %rdx, %rcx
        shrq    $3, %rcx
        rep movsq
        ret

# Add the next 32 bytes, from an offset on.
        .macro  add_to_sums offset
        crc32q  \offset(%rdi), %r8
        crc32q  \offset+8(%rdi), %r9
        crc32q  \offset+16(%rdi), %r10
        crc32q  \offset+24(%rdi), %r11
        .endm

# void sums(const void *data, u64 bytes, u32 sums[4]): CRC-32C in four interleaved streams, because a
# single one would wait for its own result. Stream i takes the 8-byte words i, i+4, i+8 and so on; the
# bytes after the last full 32 go to stream 0. Each starts with all ones, none is inverted.
        .globl  sums
sums:
        movl    $0xffffffff, %r8d
        movl    %r8d, %r9d
        movl    %r8d, %r10d
        movl    %r8d, %r11d
        movq    %rsi, %rcx
        shrq    $8, %rcx
        jz      2f
1:
        .irp    offset, 0, 32, 64, 96, 128, 160, 192, 224
        add_to_sums \offset
        .endr
        addq    $256, %rdi
        decq    %rcx
        jnz     1b
2:
        movl    %esi, %ecx
        andl    $255, %ecx
        shrl    $5, %ecx
        jz      3f
1:
        add_to_sums 0
        addq    $32, %rdi
        decl    %ecx
        jnz     1b
3:
        andl    $31, %esi
        jz      4f
1:
        crc32b  (%rdi), %r8
        incq    %rdi
        decl    %esi
        jnz     1b
4:
        movl    %r8d, (%rdx)
        movl    %r9d, 4(%rdx)
        movl    %r10d, 8(%rdx)
        movl    %r11d, 12(%rdx)
        ret

        .balign 8
no_idt:
        .word   0
        .quad   0

# Filled in when an image is built, and again when it is staged; see stub.py.
        .balign 8
        .globl  config
config:
flags:          .quad   0
kernel_bytes:   .quad   0
kernel_entry:   .quad   0
initrd_bytes:   .quad   0
kernel_at:      .quad   0
initrd_at:      .quad   0
kernel_sums:    .long   0, 0, 0, 0
initrd_sums:    .long   0, 0, 0, 0
