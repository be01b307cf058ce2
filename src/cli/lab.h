/* lab: the private network of --lab as the program uses it: entered, given a server, and asked in
 * the end whether the server got the right answer. With --sim, and where the kernel refuses a
 * namespace, a simulation takes its place. */
#ifndef TCPLUA_CLI_LAB_H
#define TCPLUA_CLI_LAB_H

#include <stdbool.h>

#include "base/error.h"
#include "cli/options.h"
#include "stack/network.h"

struct lab;

/* 192.0.2.1 192.0.2.2 9000 */
extern char *lab_arguments[];

/* Enters the namespace and sets the interface in `network`, or says in one line on stderr that it
 * is simulated; with --serve, which no simulation can do, NULL with `err` says it. With --sim it
 * is, and says the seed unless that was given. NULL with `err` also when memory or random bytes are
 * short. */
struct lab *lab_start(const struct options *options, struct network_options *network,
                      struct error *err);

/* Starts the server, after privileges were given up. */
bool lab_serve(struct lab *lab, struct error *err);

/* The module to run before the script, if the lab is simulated or --serve gives the server; else
 * NULL. */
const char *lab_prelude(const struct lab *lab);

/* What the server says of the answers it got, on stderr if one was wrong, on stdout too with
 * `talk`: the exit status. */
int lab_verdict(struct lab *lab, bool talk);

/* Ends the server; NULL is allowed. */
void lab_stop(struct lab *lab);

#endif
