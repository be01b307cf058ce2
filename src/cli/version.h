/* version: what the program is made of. */
#ifndef TCPLUA_CLI_VERSION_H
#define TCPLUA_CLI_VERSION_H

#include <stdio.h>

void version_print(FILE *out);

#endif
