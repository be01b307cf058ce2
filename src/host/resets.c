/* resets: the TCP counter of resets sent, from /proc/net/snmp. See route.h.
 *
 * The file has pairs of lines with one prefix: names, then numbers at the same places. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/route.h"

/* Cuts the next word off `*line` and returns it; NULL at the line's end. */
static char *word(char **line)
{
    char *at = *line + strspn(*line, " ");
    if (*at == '\0')
        return NULL;
    char *end = at + strcspn(at, " ");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return at;
}

/* The number in `values` at the place where `names` has `name`. */
static int64_t column(char *names, char *values, const char *name)
{
    char *key, *value;
    int64_t number;
    while ((key = word(&names)) && (value = word(&values)))
        if (strcmp(key, name) == 0)
            return sscanf(value, "%" SCNd64, &number) == 1 ? number : -1;
    return -1;
}

int64_t kernel_resets(void)
{
    char text[8192];
    int fd = open("/proc/thread-self/net/snmp", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return -1;
    text[got] = '\0';
    char *names = NULL, *next;
    for (char *line = text; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (strncmp(line, "Tcp:", 4) != 0)
            continue;
        if (names)
            return column(names, line, "OutRsts");
        names = line;
    }
    return -1;
}
