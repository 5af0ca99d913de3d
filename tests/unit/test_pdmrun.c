/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmrun without a program: what it reads of ELF files and scripts, its options, its LD_PRELOAD. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pdmrun/elf.h"
#include "cli/pdmrun/environment.h"
#include "cli/pdmrun/options.h"
#include "cli/pdmrun/script.h"

#define LOADER "/lib64/ld-linux-x86-64.so.2"

TestSuite(pdmrun, .timeout = 30);

/* A program of one page as a linker would make it: headers, a loader, a note, two sections. */
struct program {
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[3];
    char loader[sizeof(LOADER)];
    struct {
        ElfW(Nhdr) head;
        char name[8];
        uint32_t description;
    } note;
    char names[32];
    ElfW(Shdr) sections[3];
};

static uint64_t at(size_t offset)
{
    return offset;
}

static struct program a_program(void)
{
    struct program p = {
        .header = {.e_type = ET_DYN,
                   .e_machine = EM_X86_64,
                   .e_phoff = at(offsetof(struct program, segments)),
                   .e_phentsize = sizeof(ElfW(Phdr)),
                   .e_phnum = 3,
                   .e_shoff = at(offsetof(struct program, sections)),
                   .e_shentsize = sizeof(ElfW(Shdr)),
                   .e_shnum = 3,
                   .e_shstrndx = 2},
        .segments = {{.p_type = PT_LOAD, .p_filesz = sizeof(struct program)},
                     {.p_type = PT_INTERP,
                      .p_offset = at(offsetof(struct program, loader)),
                      .p_filesz = sizeof(LOADER)},
                     {.p_type = PT_NOTE,
                      .p_offset = at(offsetof(struct program, note)),
                      .p_filesz = sizeof(((struct program *)0)->note)}},
        .loader = LOADER,
        .note = {.head = {.n_namesz = 5, .n_descsz = 4, .n_type = 1}, .name = "Rust"},
        .names = "\0.text\0.shstrtab",
        .sections = {{0},
                     {.sh_name = 1},
                     {.sh_name = 7,
                      .sh_offset = at(offsetof(struct program, names)),
                      .sh_size = sizeof(((struct program *)0)->names)}},
    };

    memcpy(p.header.e_ident, ELFMAG, SELFMAG);
    p.header.e_ident[EI_CLASS] = ELFCLASS64;
    p.header.e_ident[EI_DATA] = ELFDATA2LSB;
    return p;
}

/* From memory that ends where the program does, for the sanitizer to watch. */
static enum elf_status read_part(const struct program *p, size_t len, struct elf *elf)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    cr_assert(copy);
    memcpy(copy, p, len);
    enum elf_status status = elf_read(copy, len, elf);

    /* Not to be followed any more. */
    elf->loader = elf->loader ? LOADER : NULL;
    free(copy);
    return status;
}

static enum elf_status read_all(const struct program *p, struct elf *elf)
{
    return read_part(p, sizeof(*p), elf);
}

Test(pdmrun, elf_of_a_dynamic_program)
{
    struct program p = a_program();
    struct elf elf;

    cr_assert_eq(elf_read((const uint8_t *)&p, sizeof(p), &elf), ELF_READ);
    cr_assert_eq(elf.machine, EM_X86_64);
    cr_assert_str_eq(elf.loader, LOADER);
    cr_assert(!elf.go);
    p.header.e_type = ET_EXEC;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
}

Test(pdmrun, elf_without_loader_is_static)
{
    struct program p = a_program();
    struct elf elf;

    p.segments[1].p_type = PT_NULL;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert_null(elf.loader);
}

Test(pdmrun, elf_has_the_first_of_two_loaders)
{
    struct program p = a_program();
    struct elf elf;

    p.segments[2] = p.segments[1];
    p.segments[2].p_offset += 5;
    p.segments[2].p_filesz -= 5;
    cr_assert_eq(elf_read((const uint8_t *)&p, sizeof(p), &elf), ELF_READ);
    cr_assert_str_eq(elf.loader, LOADER);
}

Test(pdmrun, elf_of_go_by_note)
{
    struct program p = a_program();
    struct elf elf;

    p.note.head.n_namesz = 4;
    memcpy(p.note.name, "Go\0", 4);
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert(elf.go);
    p.note.head.n_namesz = 3;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert(!elf.go);
}

Test(pdmrun, elf_of_go_by_a_second_note)
{
    struct program p = a_program();
    struct elf elf;
    const ElfW(Nhdr) second = {.n_namesz = 4, .n_type = 4};
    uint8_t *octets = (uint8_t *)&p.note;

    /* An empty first one, then the second directly behind. */
    p.note.head = (ElfW(Nhdr)){0};
    memcpy(octets + sizeof(second), &second, sizeof(second));
    p.segments[2].p_filesz = 2 * sizeof(second);
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert(!elf.go, "a name beyond the segment");
    p.segments[2].p_filesz += 4;
    memcpy(octets + 2 * sizeof(second), "Go\0", 4);
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert(elf.go);
}

Test(pdmrun, elf_of_go_by_section)
{
    struct program p = a_program();
    struct elf elf;

    memcpy(p.names + 1, ".go.buildinfo", sizeof(".go.buildinfo"));
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert(elf.go);
    /* A name that the table does not hold to its end. */
    p.sections[2].sh_size = sizeof(".go.buildinfo");
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert(!elf.go);
}

Test(pdmrun, elf_does_not_need_sections)
{
    struct program p = a_program();
    struct elf elf;

    p.header.e_shoff = UINT64_MAX - 8;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    p = a_program();
    p.header.e_shstrndx = 3;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    p = a_program();
    p.header.e_shnum = 0;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    p = a_program();
    p.sections[2].sh_offset = UINT64_MAX;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    p = a_program();
    p.segments[2].p_offset = UINT64_MAX;
    cr_assert_eq(read_all(&p, &elf), ELF_READ, "nor notes");
}

Test(pdmrun, elf_of_others)
{
    struct program p = a_program();
    struct elf elf;

    p.header.e_ident[EI_CLASS] = ELFCLASS32;
    cr_assert_eq(read_all(&p, &elf), ELF_FOREIGN);
    p = a_program();
    p.header.e_ident[EI_DATA] = ELFDATA2MSB;
    cr_assert_eq(read_all(&p, &elf), ELF_FOREIGN);
    p = a_program();
    p.header.e_machine = EM_AARCH64;
    cr_assert_eq(read_all(&p, &elf), ELF_READ);
    cr_assert_eq(elf.machine, EM_AARCH64);
    p.header.e_ident[0] = '#';
    cr_assert_eq(read_all(&p, &elf), ELF_NONE);
    cr_assert_eq(elf_read(NULL, 0, &elf), ELF_NONE);
}

Test(pdmrun, elf_malformed)
{
    struct program p = a_program();
    struct elf elf;

#define MALFORMED(change)                                                                          \
    do {                                                                                           \
        p = a_program();                                                                           \
        change;                                                                                    \
        cr_expect_eq(read_all(&p, &elf), ELF_MALFORMED, #change);                                  \
    } while (0)
    MALFORMED(p.header.e_type = ET_REL);
    MALFORMED(p.header.e_type = ET_CORE);
    MALFORMED(p.header.e_phnum = 0);
    MALFORMED(p.header.e_phnum = UINT16_MAX);
    MALFORMED(p.header.e_phentsize--);
    MALFORMED(p.header.e_phoff = sizeof(p));
    MALFORMED(p.header.e_phoff = UINT64_MAX);
    MALFORMED(p.segments[1].p_filesz = 1);
    MALFORMED(p.segments[1].p_filesz = 0);
    MALFORMED(p.segments[1].p_filesz--);
    MALFORMED(p.segments[1].p_filesz = PATH_MAX + 1);
    MALFORMED(p.segments[1].p_filesz = UINT64_MAX);
    MALFORMED(p.segments[1].p_offset = sizeof(p) - 1);
    MALFORMED(p.segments[1].p_offset = UINT64_MAX);
#undef MALFORMED
}

Test(pdmrun, elf_cut_anywhere)
{
    struct program p = a_program();
    struct elf elf;

    for (size_t len = 0; len < sizeof(p); len++) {
        enum elf_status status = read_part(&p, len, &elf);

        if (len < EI_NIDENT)
            cr_expect_eq(status, ELF_NONE, "%zu octets", len);
        else if (len < offsetof(struct program, note))
            cr_expect_eq(status, ELF_MALFORMED, "%zu octets", len);
        else
            cr_expect_eq(status, ELF_READ, "%zu octets", len);
    }
}

static const char *interpreter_of(const char *text, size_t len)
{
    static char path[PDM_SCRIPT_LINE + 1];
    uint8_t *copy = malloc(len > 0 ? len : 1);

    cr_assert(copy);
    memcpy(copy, text, len);
    bool named = script_interpreter(copy, len, path);

    free(copy);
    return named ? path : NULL;
}

Test(pdmrun, script_names_its_interpreter)
{
    static const struct {
        const char *text;
        const char *interpreter;
    } scripts[] = {
        {"#!/bin/sh\n", "/bin/sh"},
        {"#!/bin/sh", "/bin/sh"},
        {"#! \t/usr/bin/env python3\nimport sys\n", "/usr/bin/env"},
        {"#!relative\t-x\n", "relative"},
        {"#!/bin/sh\r\n", "/bin/sh\r"},
        {"#!\n/bin/sh\n", NULL},
        {"#!   \n", NULL},
        {"#!", NULL},
        {"#", NULL},
        {"", NULL},
        {"# !/bin/sh\n", NULL},
        {"echo\n", NULL},
    };

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        const char *found = interpreter_of(scripts[i].text, strlen(scripts[i].text));

        cr_expect((found == NULL) == (scripts[i].interpreter == NULL), "%s", scripts[i].text);
        if (found && scripts[i].interpreter)
            cr_expect_str_eq(found, scripts[i].interpreter);
    }
}

Test(pdmrun, script_line_is_as_long_as_the_kernels)
{
    char text[PDM_SCRIPT_LINE + 8] = "#!";

    memset(text + 2, 'x', sizeof(text) - 2);
    cr_assert_null(interpreter_of(text, sizeof(text)));
    text[PDM_SCRIPT_LINE] = '\n';
    cr_assert_null(interpreter_of(text, sizeof(text)));
    text[PDM_SCRIPT_LINE - 1] = '\n';
    cr_assert(interpreter_of(text, sizeof(text)));
    cr_assert_eq(strlen(interpreter_of(text, sizeof(text))), PDM_SCRIPT_LINE - 3);
}

Test(pdmrun, preload_comes_first_and_once)
{
    static const struct {
        const char *existing;
        const char *list;
    } lists[] = {
        {"", "/l/libpdmv2.so"},
        {"/a.so", "/l/libpdmv2.so:/a.so"},
        {"/a.so:b.so", "/l/libpdmv2.so:/a.so:b.so"},
        {":/a.so  b.so::", "/l/libpdmv2.so:/a.so:b.so"},
        {"/l/libpdmv2.so", "/l/libpdmv2.so"},
        {"/a.so:/l/libpdmv2.so:/other/libpdmv2.so:libpdmv2.so:b.so", "/l/libpdmv2.so:/a.so:b.so"},
        {"/usr/lib/libpdmv2.so.0:b.so:libpdmv2.so.0", "/l/libpdmv2.so:b.so"},
        {"/libpdmv2.so.1:/x/mylibpdmv2.so:/libpdmv2.so/", "/l/libpdmv2.so:/libpdmv2.so.1:"
                                                          "/x/mylibpdmv2.so:/libpdmv2.so/"},
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char *list = environment_preload(lists[i].existing, "/l/libpdmv2.so");

        cr_assert(list);
        cr_expect_str_eq(list, lists[i].list);
        free(list);
    }
}

Test(pdmrun, environment_is_what_the_options_ask_for)
{
    struct run_options options = {.mode = "plain", .agent = "/s", .read_only = true};

    cr_assert(unsetenv("LD_PRELOAD") == 0 && unsetenv("PDMV2_READ_ONLY") == 0);
    cr_assert(environment_set(&options, "/l/libpdmv2.so"));
    cr_assert_str_eq(getenv("LD_PRELOAD"), "/l/libpdmv2.so");
    cr_assert_str_eq(getenv("PDMV2_MODE"), "plain");
    cr_assert_str_eq(getenv("PDMV2_AGENT"), "/s");
    cr_assert_str_eq(getenv("PDMV2_READ_ONLY"), "1");
    cr_assert(!environment_wants_agent());
    /* What is not asked for stays; "encrypted" is the absence of a mode. */
    cr_assert(environment_set(&(struct run_options){0}, "/l/libpdmv2.so"));
    cr_assert_str_eq(getenv("PDMV2_MODE"), "plain");
    cr_assert_str_eq(getenv("PDMV2_READ_ONLY"), "1");
    options.mode = "encrypted";
    cr_assert(environment_set(&options, "/l/libpdmv2.so"));
    cr_assert_null(getenv("PDMV2_MODE"));
    cr_assert(environment_wants_agent());
}

static enum run_parsed parse(const char *line, struct run_options *options)
{
    static char words[256];
    static char *argv[32];
    int argc = 0;

    (void)snprintf(words, sizeof(words), "pdmrun %s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    optind = 0; /* glibc: start anew */
    return run_options_parse(argc, argv, options);
}

Test(pdmrun, options_end_at_the_program)
{
    struct run_options o;

    cr_assert_eq(parse("curl -6 -v -r -m x", &o), RUN_PROGRAM);
    cr_assert(!o.mode && !o.agent && !o.read_only && !o.verbose);
    cr_assert_str_eq(o.program[0], "curl");
    cr_assert_str_eq(o.program[1], "-6");
    cr_assert_eq(parse("-rv -m plain --agent=/s -- -odd --read-only", &o), RUN_PROGRAM);
    cr_assert(o.read_only && o.verbose);
    cr_assert_str_eq(o.mode, "plain");
    cr_assert_str_eq(o.agent, "/s");
    cr_assert_str_eq(o.program[0], "-odd");
    cr_assert_str_eq(o.program[1], "--read-only");
    cr_assert_null(o.program[2]);
    cr_assert_eq(parse("--read-only --verbose --mode encrypted x", &o), RUN_PROGRAM);
    cr_assert(o.read_only && o.verbose);
    cr_assert_str_eq(o.mode, "encrypted");
}

Test(pdmrun, options_that_are_wrong_are_refused, .init = cr_redirect_stderr)
{
    static const char *const wrong[] = {"",          "--",   "-r", "-m off x", "-m x",     "-m",
                                        "--mode= x", "-z x", "-a", "--agent",  "--wrong x"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct run_options o;

        cr_expect_eq(parse(wrong[i], &o), RUN_BAD, "accepted: %s", wrong[i]);
    }
}
