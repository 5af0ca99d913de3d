/* SPDX-License-Identifier: BSD-2-Clause */
/* What an administrator holds to read options with. */
#include "cli/pdmctl/decode/secrets.h"

#include <err.h>
#include <sodium.h>

#include "cli/pdmctl/decode/key_file.h"
#include "conf/config.h"
#include "core/keys.h"
#include "core/option.h"

struct secrets secrets_none(void)
{
    return (struct secrets){.option_type = PDM_OPTION_TYPE};
}

void secrets_free(struct secrets *s)
{
    sodium_free(s->list); /* wipes */
    *s = secrets_none();
}

/* Room for one more; NULL after a line. */
static struct secret *next_place(struct secrets *s)
{
    if (s->list == NULL)
        s->list = sodium_allocarray(DECODE_SECRETS_MAX, sizeof(*s->list));
    if (s->list == NULL) {
        warn("no locked memory for keys");
        return NULL;
    }
    if (s->count == DECODE_SECRETS_MAX) {
        warnx("more than %d keys", DECODE_SECRETS_MAX);
        return NULL;
    }
    return &s->list[s->count];
}

static bool add_psk(struct secrets *s, const uint8_t psk[static PDM_PSK_LEN], uint16_t aead,
                    const struct pdm_prefix *one, const struct pdm_prefix *other)
{
    struct secret *place = next_place(s);

    if (place == NULL)
        return false;
    *place = (struct secret){
        .suite = {PDM_KEM_NONE, PDM_KDF_SHA256, aead}, .one = *one, .other = *other};
    if (!pdm_psk_secret(&place->suite, psk, place->shared)) {
        warnx("%s: this processor cannot do it; options under it stay closed", pdm_aead_name(aead));
        return true;
    }
    s->count++;
    return true;
}

bool secrets_add_key(struct secrets *s, const char *path)
{
    static const struct pdm_prefix any;
    uint8_t psk[PDM_PSK_LEN];
    bool added = key_file_read(path, psk) && add_psk(s, psk, PDM_AEAD_AES256GCM, &any, &any) &&
                 add_psk(s, psk, PDM_AEAD_CHACHA20POLY1305, &any, &any);

    sodium_memzero(psk, sizeof(psk));
    return added;
}

static bool add_association(struct secrets *s, const struct config_association *a)
{
    uint8_t psk[PDM_PSK_LEN];

    if (a->mode != CONFIG_MODE_PSK || a->key == NULL)
        return true;
    bool added = key_file_read(a->key, psk) && add_psk(s, psk, a->aead, &a->local, &a->peer);

    sodium_memzero(psk, sizeof(psk));
    return added;
}

static void complain(void *arg, const char *line)
{
    (void)arg;
    warnx("%s", line);
}

bool secrets_add_config(struct secrets *s, const char *path)
{
    struct config config = {0};
    bool added = config_load(path, &config, complain, NULL);

    if (added)
        s->option_type = config.settings.option_type;
    for (size_t i = 0; added && i < config.associations; i++)
        added = add_association(s, &config.association[i]);
    config_free(&config);
    return added;
}

const struct secret *secrets_next(const struct secrets *s, size_t *at,
                                  const uint8_t one[static PDM_ADDR_LEN],
                                  const uint8_t other[static PDM_ADDR_LEN])
{
    while (*at < s->count) {
        const struct secret *secret = &s->list[(*at)++];

        if ((pdm_prefix_contains(&secret->one, one) &&
             pdm_prefix_contains(&secret->other, other)) ||
            (pdm_prefix_contains(&secret->one, other) && pdm_prefix_contains(&secret->other, one)))
            return secret;
    }
    return NULL;
}
