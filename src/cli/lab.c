/* lab: see lab.h. */
#include "cli/lab.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "host/lab.h"
#include "host/lab_server.h"
#include "script/script.h"

struct lab {
    bool simulated;
    bool given; /* --serve: the script's side starts the server */
    uint16_t port;
    struct lab_server *server;
};

char *lab_arguments[] = {LAB_SRC, LAB_DST, "9000", NULL};

/* The server listens where the script's arguments say, if the last of them are SRC DST PORT: other
 * numbers may be ports as well, of servers that the script itself has. */
static uint16_t port_of(const struct options *options)
{
    uint16_t port;
    struct addr addr;
    if (options->command != COMMAND_RUN || options->argc < 4)
        return LAB_PORT;
    char **last = options->argv + options->argc - 3;
    bool named = addr_parse(&addr, last[0], "source", NULL) &&
                 addr_parse(&addr, last[1], "destination", NULL) &&
                 port_parse(&port, last[2], "port", NULL);
    return named ? port : LAB_PORT;
}

/* A simulation is made from its seed, which is said where it was asked for and not given. */
static bool seed_simulation(const struct options *options, struct network_options *network,
                            struct error *err)
{
    uint32_t seed;
    if (network->has_seed)
        return true;
    if (!random_bytes(&seed, sizeof seed, err))
        return false;
    network->has_seed = true;
    network->seed = seed;
    if (options->sim)
        fprintf(stderr, "tcplua: the network is simulated; --seed %" PRIu32 " makes it again\n",
                seed);
    return true;
}

struct lab *lab_start(const struct options *options, struct network_options *network,
                      struct error *err)
{
    struct lab *lab = calloc(1, sizeof *lab);
    if (!lab) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for the lab");
        return NULL;
    }
    lab->port = port_of(options);
    lab->given = options->serve != NULL;
    struct error why;
    if (options->sim) {
        lab->simulated = true;
    } else if (!lab_enter(&why)) {
        if (lab->given) {
            free(lab);
            *err = why;
            return NULL;
        }
        lab->simulated = true;
        fprintf(stderr, "tcplua: the lab is simulated, server included: %s\n", why.message);
    } else {
        snprintf(network->lab, sizeof network->lab, "%s", LAB_IFACE);
    }
    if (lab->simulated && !seed_simulation(options, network, err)) {
        free(lab);
        return NULL;
    }
    return lab;
}

static bool digest(const void *bytes, size_t length, uint8_t out[static SHA256_SIZE])
{
    return sha256(bytes, length, out, NULL);
}

bool lab_serve(struct lab *lab, struct error *err)
{
    if (lab->simulated || lab->given)
        return true;
    lab->server = lab_server_start(lab->port, digest, err);
    return lab->server != NULL;
}

const char *lab_prelude(const struct lab *lab)
{
    return lab->simulated ? "tcplua.simlab" : lab->given ? "tcplua.servelab" : NULL;
}

/* What is wrong with an answer, in the words of somebody who wants to mend it. */
static const char *fault_of(const struct lab_report *report)
{
    static const uint8_t digits[] = "0123456789abcdef";
    uint8_t sum[SHA256_SIZE];
    size_t chomped = report->line_length - 1, same = 0;
    if (!sha256(report->line, chomped, sum, NULL))
        return "";
    while (same < 2 * SHA256_SIZE && same < report->answer_length &&
           report->answer[same] == digits[same % 2 ? sum[same / 2] & 15 : sum[same / 2] >> 4])
        same++;
    return same == 2 * SHA256_SIZE ? ": that is the hash of the line without its LF"
           : report->late          ? ", and no more in time"
                                   : "";
}

int lab_verdict(struct lab *lab, bool talk)
{
    struct lab_report report;
    int status = STATUS_OK;
    bool said = false;
    if (!lab->server)
        return STATUS_OK; /* the simulation's server raises its own errors */
    while (lab_server_report(lab->server, &report, 0) == 1) {
        char line[4 * LAB_LINE + 1], answer[4 * LAB_ANSWER + 1];
        text_escape(line, sizeof line, report.line, report.line_length - 1);
        bool ended = report.answer_length && report.answer[report.answer_length - 1] == '\n';
        text_escape(answer, sizeof answer, report.answer, report.answer_length - ended);
        if (report.good) {
            if (talk)
                said = printf("the server sent '%s' and got the right hash of it\n", line) > 0;
        } else {
            complain("the server sent '%s' and got the wrong answer '%s'%s", line, answer,
                     fault_of(&report));
            status = STATUS_FAILED;
        }
    }
    uint64_t served, wrong;
    lab_server_counts(lab->server, &served, &wrong);
    if (talk && !said && served > 0 && wrong == 0) /* its report was lost on the way */
        printf("the server got the right hash of its line\n");
    return wrong ? STATUS_FAILED : status;
}

void lab_stop(struct lab *lab)
{
    if (!lab)
        return;
    lab_server_stop(lab->server);
    free(lab);
}
