/* SPDX-License-Identifier: BSD-2-Clause */
/* How a hook is defined: under a name of its own, so that libc's prototype does not meddle, and
 * exported under libc's. */
#ifndef PDM_SHIM_HOOK_H
#define PDM_SHIM_HOOK_H

#define PDM_EXPORT __attribute__((visibility("default")))

#define PDM_HOOK(type, name, parameters)                                                           \
    PDM_EXPORT type hook_##name parameters __asm__(#name);                                         \
    PDM_EXPORT type hook_##name parameters

/* Another name of libc's for the same function. */
#define PDM_HOOK_ALIAS(name, of)                                                                   \
    PDM_EXPORT extern __typeof__(hook_##of) hook_##name __asm__(#name) __attribute__((alias(#of)))

#endif
