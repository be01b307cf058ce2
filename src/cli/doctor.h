/* doctor: what this machine allows, and the one command that fixes what it does not. */
#ifndef TCPLUA_CLI_DOCTOR_H
#define TCPLUA_CLI_DOCTOR_H

/* Prints a line for each thing tried. Returns 0 if the main job can be done in some way, else 4. */
int doctor(void);

#endif
