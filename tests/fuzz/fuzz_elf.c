/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that pdmrun looks at before it runs them: ELF files and scripts. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pdmrun/elf.h"
#include "cli/pdmrun/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What is found lies in the file, and a file cut short is still read or refused. */
static enum elf_status check_elf(const uint8_t *bytes, size_t len)
{
    struct elf elf;
    enum elf_status status = elf_read(bytes, len, &elf);

    must(status == ELF_READ || elf.machine == 0);
    must(status != ELF_NONE || (!elf.loader && !elf.go));
    if (elf.loader) {
        const uint8_t *loader = (const uint8_t *)elf.loader;

        must(loader >= bytes && loader < bytes + len);
        must(memchr(loader, '\0', (size_t)(bytes + len - loader)) != NULL);
        must(strlen(elf.loader) < PATH_MAX);
    }
    return status;
}

static void check_script(const uint8_t *bytes, size_t len)
{
    char path[PDM_SCRIPT_LINE + 1];

    if (!script_interpreter(bytes, len, path))
        return;
    size_t name = strlen(path);

    must(name > 0 && name <= PDM_SCRIPT_LINE - 3 && len >= name + 2);
    must(strpbrk(path, " \t\n") == NULL);
    must(memmem(bytes, len, path, name) != NULL);
}

/* The input in memory of just its length, for the sanitizer to watch. */
static enum elf_status check(const uint8_t *data, size_t len)
{
    uint8_t *bytes = malloc(len > 0 ? len : 1);

    must(bytes != NULL);
    if (len > 0)
        memcpy(bytes, data, len);
    enum elf_status status = check_elf(bytes, len);

    check_script(bytes, len);
    free(bytes);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    enum elf_status whole = check(data, len);
    enum elf_status half = check(data, len / 2);

    must(half == ELF_NONE || whole != ELF_NONE);
    return 0;
}
