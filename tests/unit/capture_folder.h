/* capture_folder: a folder of the test program's own for files, and what a command says about one.
 * It is there between folder_make() and folder_remove(), the set-up and the end of a group. */
#ifndef TCPLUA_TESTS_CAPTURE_FOLDER_H
#define TCPLUA_TESTS_CAPTURE_FOLDER_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64]; /* its path */

static inline int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tcplua-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* The path of a file in it (static storage). */
static inline const char *folder_file(const char *name)
{
    static char path[sizeof folder + 256 + 2];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline int folder_remove(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        unlink(folder_file(entry->d_name));
    closedir(dir);
    return rmdir(folder);
}

/* Reads a whole file; its length, or SIZE_MAX. */
static inline size_t file_read(const char *path, uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return SIZE_MAX;
    size_t length = fread(bytes, 1, size, file);
    fclose(file);
    return length;
}

/* Runs a command line and keeps what it prints, standard error included; its wait status. */
static inline int command_output(const char *command, char *text, size_t size)
{
    char line[1024];
    snprintf(line, sizeof line, "{ %s ; } 2>&1", command);
    FILE *pipe = popen(line, "r");
    if (!pipe)
        return -1;
    size_t length = fread(text, 1, size - 1, pipe);
    text[length] = '\0';
    return pclose(pipe);
}

static inline bool command_exists(const char *name)
{
    char line[100], text[200];
    snprintf(line, sizeof line, "command -v %s", name);
    return command_output(line, text, sizeof text) == 0;
}

#endif
