/*
 * embed.h - a text file of the source tree as a string in the program, so that the file is the only place where it stands.
 *
 * EMBED(name, "path") defines `extern const char name[]`, with a 0 behind the file's bytes; the assembler copies it in.
 * The Makefile names the files that an object depends on.
 */
#ifndef SWEEP_REPORT_EMBED_H
#define SWEEP_REPORT_EMBED_H

#define EMBED(name, path)                        \
	__asm__(".section .rodata\n" #name ":\n" \
		".incbin \"" path "\"\n"         \
		".byte 0\n"                      \
		".previous\n");                  \
	extern const char name[]

#endif
