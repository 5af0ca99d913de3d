/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the headers of an ELF file (System V ABI, chapters 4 and 5) say about the program in it.
 * Nothing in the file is believed: what lies outside it is not read.
 */
#ifndef CLI_PDMRUN_ELF_H
#define CLI_PDMRUN_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_status {
    ELF_NONE,      /* not an ELF file */
    ELF_FOREIGN,   /* of another class or byte order than ours: nothing more is read */
    ELF_MALFORMED, /* the kernel would not run it either */
    ELF_READ
};

struct elf {
    uint16_t machine;
    const char *loader; /* within the file; NULL: it has none, so it is static */
    bool go;            /* made by the Go compiler */
};

enum elf_status elf_read(const uint8_t *bytes, size_t len, struct elf *elf);

#endif
