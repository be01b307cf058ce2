/* descriptors: see descriptors.h. Whole ranges at once: there may be a million of them. */
#include "host/descriptors.h"

#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

void descriptors_close_but(int a, int b)
{
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
    if (low > 0)
        syscall(SYS_close_range, 0u, low - 1, 0u);
    if (high - low > 1)
        syscall(SYS_close_range, low + 1, high - 1, 0u);
    syscall(SYS_close_range, high + 1, UINT_MAX, 0u);
}
