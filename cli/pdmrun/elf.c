/* SPDX-License-Identifier: BSD-2-Clause */
/* What the headers of an ELF file say about the program in it. */
#include "cli/pdmrun/elf.h"

#include <limits.h>
#include <link.h>
#include <string.h>

#include "core/cursor.h"

/* Only files of our own class and byte order are read, so their structures are ours as they lie. */
#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif
#define OWN_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

/* The linker's note with the build id, and the section that is there without it too. */
static const char go_note[] = "Go\0"; /* with its terminating zero 4 octets */
static const char go_section[] = ".go.buildinfo";

/* LEN octets from OFFSET; bad if the file does not have them. */
static struct pdm_reader part(const struct pdm_reader *file, uint64_t offset, uint64_t len)
{
    if (offset > file->left || len > file->left - offset)
        return (struct pdm_reader){.bad = true};
    return pdm_reader(file->at + offset, (size_t)len);
}

/* Names and descriptions are filled up to whole words. */
static size_t padded(uint32_t len)
{
    return ((size_t)len + 3) & ~(size_t)3;
}

static bool has_go_note(struct pdm_reader notes)
{
    while (!notes.bad && notes.left >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;

        pdm_read_bytes(&notes, (uint8_t *)&note, sizeof(note));
        const uint8_t *name = pdm_read_span(&notes, padded(note.n_namesz));

        if (name && note.n_namesz == sizeof(go_note) && memcmp(name, go_note, sizeof(go_note)) == 0)
            return true;
        (void)pdm_read_span(&notes, padded(note.n_descsz));
    }
    return false;
}

/* As the kernel wants it (load_elf_binary): a path with its zero at the end. */
static bool read_loader(struct pdm_reader text, struct elf *elf)
{
    size_t len = text.left;
    const uint8_t *path = pdm_read_span(&text, len);

    if (!path || len < 2 || len > PATH_MAX || path[len - 1] != '\0')
        return false;
    elf->loader = (const char *)path;
    return true;
}

static bool read_segments(const struct pdm_reader *file, const ElfW(Ehdr) * header, struct elf *elf)
{
    struct pdm_reader table =
        part(file, header->e_phoff, (uint64_t)header->e_phnum * sizeof(ElfW(Phdr)));

    if (table.bad || header->e_phnum == 0 || header->e_phentsize != sizeof(ElfW(Phdr)))
        return false;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;

        pdm_read_bytes(&table, (uint8_t *)&segment, sizeof(segment));
        struct pdm_reader content = part(file, segment.p_offset, segment.p_filesz);

        /* The kernel takes the first of several. */
        if (segment.p_type == PT_INTERP && !elf->loader && !read_loader(content, elf))
            return false;
        if (segment.p_type == PT_NOTE && has_go_note(content))
            elf->go = true;
    }
    return true;
}

/* Sections are not needed to run a program: without them it has no such section. */
static bool has_go_section(const struct pdm_reader *file, const ElfW(Ehdr) * header)
{
    struct pdm_reader table =
        part(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(ElfW(Shdr)));
    struct pdm_reader entry =
        part(file, header->e_shoff + (uint64_t)header->e_shstrndx * sizeof(ElfW(Shdr)),
             sizeof(ElfW(Shdr)));
    ElfW(Shdr) section;

    if (table.bad || header->e_shstrndx >= header->e_shnum ||
        header->e_shentsize != sizeof(ElfW(Shdr)))
        return false;
    pdm_read_bytes(&entry, (uint8_t *)&section, sizeof(section));
    struct pdm_reader names = part(file, section.sh_offset, section.sh_size);

    for (unsigned i = 0; i < header->e_shnum; i++) {
        pdm_read_bytes(&table, (uint8_t *)&section, sizeof(section));
        struct pdm_reader name = part(&names, section.sh_name, sizeof(go_section));

        if (!name.bad && memcmp(name.at, go_section, sizeof(go_section)) == 0)
            return true;
    }
    return false;
}

enum elf_status elf_read(const uint8_t *bytes, size_t len, struct elf *elf)
{
    struct pdm_reader file = pdm_reader(bytes, len);
    struct pdm_reader r = file;
    ElfW(Ehdr) header;

    *elf = (struct elf){0};
    pdm_read_bytes(&r, header.e_ident, sizeof(header.e_ident));
    if (r.bad || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return ELF_NONE;
    if (header.e_ident[EI_CLASS] != OWN_CLASS || header.e_ident[EI_DATA] != OWN_ORDER)
        return ELF_FOREIGN;
    r = file;
    pdm_read_bytes(&r, (uint8_t *)&header, sizeof(header));
    if (r.bad || (header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
        !read_segments(&file, &header, elf))
        return ELF_MALFORMED;
    elf->machine = header.e_machine;
    elf->go = elf->go || has_go_section(&file, &header);
    return ELF_READ;
}
