/* replay: the driver with the bytes of files, for compilers without a fuzzer: replay FOLDER… */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#define LONGEST (1 << 20)

static bool replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(LONGEST);
    bool good = file && bytes;
    if (good) {
        size_t length = fread(bytes, 1, LONGEST, file);
        /* Exactly as many bytes as there are, so that a sanitizer sees the end. */
        uint8_t *exact = malloc(length ? length : 1);
        good = exact && !ferror(file);
        if (good) {
            memcpy(exact, bytes, length);
            LLVMFuzzerTestOneInput(exact, length);
        }
        free(exact);
    }
    if (!good)
        perror(path);
    free(bytes);
    if (file)
        fclose(file);
    return good;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder));)
            if (entry->d_name[0] != '.') {
                if (!replay(argv[i], entry->d_name))
                    return 1;
                count++;
            }
        closedir(folder);
    }
    printf("%d files\n", count);
    return count > 0 ? 0 : 1;
}
