/* SPDX-License-Identifier: BSD-2-Clause */
/* The next definition of every hooked function. */
#include "shim/real.h"

#include <dlfcn.h>
#include <errno.h>

#include "shim/sys.h"

#ifdef SYS_dup2
#define PDM_SYS_DUP2 SYS_dup2
#define PDM_SYS_DUP2_ARGS (from, to, 0, 0, 0, 0)
#else /* dup3 differs for equal descriptors only, which no program asks for before main() */
#define PDM_SYS_DUP2 SYS_dup3
#define PDM_SYS_DUP2_ARGS (from, to, 0, 0, 0, 0)
#endif

static long finish(long result)
{
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}

#define LONGS(a, b, c, d, e, f) (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)
#define EARLY(type, name, parameters, nr, arguments)                                               \
    static type early_##name parameters                                                            \
    {                                                                                              \
        return (type)finish(pdm_sys(nr, LONGS arguments));                                         \
    }
PDM_REAL_CALLS(EARLY)

static long early_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
    return finish(pdm_sys(nr, a, b, c, d, e, f));
}

#define EARLY_FUNCTION(type, name, parameters, arguments)                                          \
    static type early_##name parameters                                                            \
    {                                                                                              \
        pdm_real_resolve();                                                                        \
        return pdm_real.name arguments;                                                            \
    }
PDM_REAL_FUNCTIONS(EARLY_FUNCTION)

struct pdm_real pdm_real = {
#define EARLY_POINTER(type, name, ...) .name = early_##name,
    PDM_REAL_CALLS(EARLY_POINTER) PDM_REAL_FUNCTIONS(EARLY_POINTER).syscall = early_syscall};

/* ISO C knows no conversion from an object pointer to a function pointer; POSIX dlsym needs one. */
static void resolve(void *slot, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found != NULL)
        *(void **)slot = found;
}

void pdm_real_resolve(void)
{
#define RESOLVE(type, name, ...) resolve((void *)&pdm_real.name, #name);
    PDM_REAL_CALLS(RESOLVE)
    PDM_REAL_FUNCTIONS(RESOLVE)
    resolve((void *)&pdm_real.syscall, "syscall");
}
