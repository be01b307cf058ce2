/* mac: the digests that sign TCP segments. See crypto.h.
 *
 * A key lives in the library for as long as one code takes: few connections have keys, and what is
 * not kept need not be freed. */
#include "crypto/crypto.h"

#include <psa/crypto.h>

static bool refused(psa_status_t status, const char *doing, struct error *err)
{
    return fail(err, ERROR_ENVIRONMENT, status == PSA_ERROR_INSUFFICIENT_MEMORY ? "ENOMEM" : "EIO",
                "mbedTLS %s refused to compute %s (PSA status %d)", crypto_version(), doing,
                (int)status);
}

bool md5(const struct span *parts, size_t count, uint8_t digest[static MD5_SIZE], struct error *err)
{
    psa_hash_operation_t operation = psa_hash_operation_init();
    size_t size;
    psa_status_t status = psa_crypto_init();
    if (status == PSA_SUCCESS)
        status = psa_hash_setup(&operation, PSA_ALG_MD5);
    for (size_t i = 0; status == PSA_SUCCESS && i < count; i++)
        status = psa_hash_update(&operation, parts[i].at, parts[i].length);
    if (status == PSA_SUCCESS)
        status = psa_hash_finish(&operation, digest, MD5_SIZE, &size);
    psa_hash_abort(&operation);
    return status == PSA_SUCCESS || refused(status, "MD5", err);
}

static psa_status_t mac(psa_key_type_t type, psa_algorithm_t algorithm, const struct span *key,
                        const struct span *parts, size_t count, uint8_t *code, size_t room)
{
    psa_key_attributes_t attributes = psa_key_attributes_init();
    psa_mac_operation_t operation = psa_mac_operation_init();
    mbedtls_svc_key_id_t id;
    size_t size;
    psa_status_t status = psa_crypto_init();
    if (status != PSA_SUCCESS)
        return status;
    psa_set_key_type(&attributes, type);
    psa_set_key_algorithm(&attributes, algorithm);
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_SIGN_MESSAGE | PSA_KEY_USAGE_SIGN_HASH);
    status = psa_import_key(&attributes, key->at, key->length, &id);
    if (status != PSA_SUCCESS)
        return status;
    status = psa_mac_sign_setup(&operation, id, algorithm);
    for (size_t i = 0; status == PSA_SUCCESS && i < count; i++)
        status = psa_mac_update(&operation, parts[i].at, parts[i].length);
    if (status == PSA_SUCCESS)
        status = psa_mac_sign_finish(&operation, code, room, &size);
    psa_mac_abort(&operation);
    psa_destroy_key(id);
    return status;
}

bool hmac_sha1(const struct span *key, const struct span *parts, size_t count,
               uint8_t code[static HMAC_SHA1_SIZE], struct error *err)
{
    psa_status_t status = mac(PSA_KEY_TYPE_HMAC, PSA_ALG_HMAC(PSA_ALG_SHA_1), key, parts, count,
                              code, HMAC_SHA1_SIZE);
    return status == PSA_SUCCESS || refused(status, "HMAC-SHA-1", err);
}

bool aes_cmac(const uint8_t key[static AES_CMAC_SIZE], const struct span *parts, size_t count,
              uint8_t code[static AES_CMAC_SIZE], struct error *err)
{
    const struct span whole = {key, AES_CMAC_SIZE};
    psa_status_t status =
        mac(PSA_KEY_TYPE_AES, PSA_ALG_CMAC, &whole, parts, count, code, AES_CMAC_SIZE);
    return status == PSA_SUCCESS || refused(status, "AES-CMAC", err);
}
