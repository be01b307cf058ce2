/* options: see options.h. Options come before the script; all after it is the script's.
 *
 * The first word is a script if it has a slash or a dot in it or is "-"; any other must be a
 * command, so that a command added later never changes what a call means. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum {
    OPTION_LAB = 256,
    OPTION_FORCE,
    OPTION_NO_GUARD,
    OPTION_SEED,
    OPTION_SERVE,
    OPTION_SIM,
    OPTION_TIMEOUT
};

static const struct option long_options[] = {
    {"force", no_argument, NULL, OPTION_FORCE},
    {"lab", no_argument, NULL, OPTION_LAB},
    {"no-guard", no_argument, NULL, OPTION_NO_GUARD},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"serve", required_argument, NULL, OPTION_SERVE},
    {"sim", optional_argument, NULL, OPTION_SIM},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const struct {
    const char *name;
    enum command command;
} commands[] = {
    {"run", COMMAND_RUN},
    {"demo", COMMAND_DEMO},
    {"dump", COMMAND_DUMP},
    {"doctor", COMMAND_DOCTOR},
    {"help", COMMAND_HELP},
    {"version", COMMAND_VERSION},
    {"reference", COMMAND_REFERENCE},
    {"test", COMMAND_TEST},
    {"test-file", COMMAND_TEST_FILE},
};

void options_help(FILE *out)
{
    fputs(
        "usage: tcplua [options] SCRIPT [args]     run a Lua script; '-' is standard input\n"
        "       tcplua [options] -e CHUNK [args]   run a line of Lua\n"
        "       tcplua demo                        the main job in the lab, drawn as a ladder\n"
        "       tcplua test FILE|DIR...            run tests; 'tcplua help test' says how\n"
        "       tcplua dump FILE [filter]          a capture file, a line for each packet\n"
        "       tcplua reference [WORD]            modules, functions, protocols and their fields\n"
        "       tcplua doctor                      what this machine allows, and how to fix it\n"
        "\n"
        "  tcplua scripts/sha_client.lua SRC DST PORT\n"
        "  tcplua --lab -v scripts/sha_client.lua\n"
        "  tcplua --sim=delay=50ms,loss=10%,@1s,down,@3s,up -v scripts/sha_client.lua\n"
        "\n"
        "      --lab            run in a private network with a server at 192.0.2.2:9000;\n"
        "                       no root; without arguments the script gets\n"
        "                       192.0.2.1 192.0.2.2 9000\n"
        "      --serve COMMAND  in the lab, this program instead of that server; it finds the\n"
        "                       port in $TCPLUA_PORT, and the script the program in 'sut'\n"
        "      --sim[=SETTINGS] the same in a simulated network, on a clock that jumps. SETTINGS:\n"
        "                       delay=20ms, jitter=, rate=10M, queue=64K, loss=1%, burst_every=,\n"
        "                       burst_length=, reorder=, duplicate=, corrupt=, path_mtu=1280,\n"
        "                       silent, down, up; @5s before those that hold from then on.\n"
        "                       'tcplua reference sim' explains them\n"
        "  -i IFACE             use this interface\n"
        "  -v                   a line for every segment, on stderr: '>' sent by tcplua,\n"
        "                       '<' received, '!' sent by this host's kernel, '*' new state\n"
        "  -w FILE              save all frames in a new file: .pcap, else pcapng; '-' is\n"
        "                       standard output\n"
        "      --force          let -w write over a file that is there\n"
        "      --timeout TIME   end after TIME: 500ms, 2s, 1m (status 124)\n"
        "      --seed N         make random choices (ISNs, ports, --sim) repeatable\n"
        "      --no-guard       go on where nothing keeps the kernel from resetting\n"
        "  -h, --help           this text\n"
        "  -V, --version        the versions of tcplua, Lua, libpcap and mbedTLS\n"
        "\n"
        "exit status: 0 all well, 1 the script failed, 2 wrong use, 4 this machine does not\n"
        "allow it, 124 the time limit passed, 128+n ended by signal n\n",
        out);
}

static bool wrong(const char *what, const char *text)
{
    char shown[100];
    fprintf(stderr, "tcplua: %s '%s'; 'tcplua --help' lists what there is\n", what,
            text_escape(shown, sizeof shown, text, strlen(text)));
    return false;
}

/* "500ms", "2s", "1m", "1.5" (seconds). */
static bool read_time(int64_t *time, const char *text)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    double unit = strcmp(end, "ms") == 0                  ? 1e6
                  : strcmp(end, "s") == 0 || *end == '\0' ? 1e9
                  : strcmp(end, "m") == 0                 ? 60e9
                                                          : 0;
    if (end == text || errno || unit == 0 || !(value > 0) || value * unit > 9e15 ||
        strspn(text, "0123456789.") != (size_t)(end - text))
        return wrong("--timeout takes a time like 500ms, 2s or 1m, not", text);
    *time = (int64_t)(value * unit);
    if (*time == 0)
        *time = 1;
    return true;
}

static bool read_seed(struct options *options, const char *text)
{
    char *end;
    errno = 0;
    options->seed = strtoull(text, &end, 0);
    options->has_seed = true;
    if (end == text || *end || errno || text[0] == '-')
        return wrong("--seed takes a whole number, not", text);
    return true;
}

/* How many characters must change, come or go to make one word of the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[16], length = strlen(b);
    if (length >= sizeof row / sizeof row[0])
        return length;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t change = corner + (a[i] != b[j]),
                   best = row[j] < row[j + 1] ? row[j] : row[j + 1];
            corner = row[j + 1];
            row[j + 1] = change < best + 1 ? change : best + 1;
        }
    }
    return row[length];
}

/* Tests run in processes and networks of their own, for which the command has its options. */
static bool suits_test(const struct options *options)
{
    const char *option = options->lab        ? "--lab"
                         : options->serve    ? "--serve"
                         : options->write    ? "-w"
                         : options->verbose  ? "-v"
                         : options->iface[0] ? "-i"
                         : options->has_seed ? "--seed"
                         : options->no_guard ? "--no-guard"
                                             : NULL;
    if (option)
        fprintf(stderr,
                "tcplua: %s says nothing to 'test', whose options follow it; "
                "'tcplua help test' lists them\n",
                option);
    return !option;
}

static bool read_command(struct options *options, const char *word)
{
    const char *near = NULL;
    size_t nearest = 3; /* what is farther off is no slip of the finger */
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            options->command = commands[i].command;
            options->argc--;
            options->argv++;
            return true;
        }
        size_t away = distance(word, commands[i].name);
        if (away < nearest) {
            nearest = away;
            near = commands[i].name;
        }
    }
    char shown[100];
    text_escape(shown, sizeof shown, word, strlen(word));
    fprintf(stderr, "tcplua: no command '%s'%s%s%s; a script's name has a '/' or a '.' in it\n",
            shown, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    return false;
}

static bool read_iface(struct options *options, const char *name)
{
    char shown[100];
    options->iface = name;
    if (strlen(name) > 0 && strlen(name) <= 15)
        return true;
    fprintf(stderr,
            "tcplua: no interface is called '%s': a name has 1 to 15 characters, and"
            " 'ip link' lists them\n",
            text_escape(shown, sizeof shown, name, strlen(name)));
    return false;
}

/* One option, from the word it stands in. */
static bool read_option(struct options *options, int option, const char *word)
{
    switch (option) {
    case 'e':
        options->command = COMMAND_CHUNK;
        options->chunk = optarg;
        return true;
    case 'i':
        return read_iface(options, optarg);
    case 'v':
        options->verbose = true;
        return true;
    case 'w':
        options->write = optarg;
        return true;
    case OPTION_LAB:
        options->lab = true;
        return true;
    case OPTION_FORCE:
        options->force = true;
        return true;
    case OPTION_NO_GUARD:
        options->no_guard = true;
        return true;
    case OPTION_SEED:
        return read_seed(options, optarg);
    case OPTION_SERVE:
        options->serve = optarg;
        return true;
    case OPTION_SIM:
        options->sim = true;
        options->sim_settings = optarg;
        return true;
    case OPTION_TIMEOUT:
        return read_time(&options->timeout, optarg);
    case 'h':
        options->command = COMMAND_HELP;
        return true;
    case 'V':
        options->command = COMMAND_VERSION;
        return true;
    case ':':
        return wrong("a value is missing after", word);
    default:
        return wrong("no option", word);
    }
}

/* What follows the options: a script or a command, and its arguments. */
static bool read_words(struct options *options)
{
    static char *help[] = {"--help", NULL};
    if (options->argc == 0) {
        fprintf(stderr, "tcplua: no script; 'tcplua --help' says how to use it\n");
        return false;
    }
    const char *word = options->argv[0];
    if (strpbrk(word, "/.") || strcmp(word, "-") == 0)
        return true;
    if (!read_command(options, word))
        return false;
    switch (options->command) {
    case COMMAND_RUN:
        if (options->argc > 0)
            return true;
        fprintf(stderr, "tcplua: no script after 'run'; 'tcplua --help' says how to use it\n");
        return false;
    case COMMAND_DUMP:
    case COMMAND_REFERENCE:
    case COMMAND_TEST_FILE:
        return true;
    case COMMAND_TEST:
        return suits_test(options);
    case COMMAND_HELP:
        if (options->argc > 0 && strcmp(options->argv[0], "test") == 0)
            *options =
                (struct options){.command = COMMAND_TEST, .iface = "", .argc = 1, .argv = help};
        return true;
    default:
        break;
    }
    if (options->argc == 0)
        return true;
    char shown[100];
    fprintf(stderr, "tcplua: '%s' takes no arguments, and '%s' is one\n", word,
            text_escape(shown, sizeof shown, options->argv[0], strlen(options->argv[0])));
    return false;
}

bool options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){.iface = ""};
    opterr = 0;
    int option, at = 1;
    while ((option = getopt_long(argc, argv, "+:e:i:vw:hV", long_options, NULL)) != -1) {
        if (!read_option(options, option, argv[at]))
            return false;
        if (options->command == COMMAND_HELP || options->command == COMMAND_VERSION)
            return true; /* whatever follows */
        at = optind;
    }
    options->argc = argc - optind;
    options->argv = argv + optind;
    if (options->sim && (options->lab || options->iface[0])) {
        fprintf(stderr, "tcplua: a simulated network has no %s: leave --sim or %s out\n",
                options->lab ? "kernel in it" : "interfaces", options->lab ? "--lab" : "-i");
        return false;
    }
    if (options->command != COMMAND_CHUNK && !read_words(options))
        return false;
    bool scripted = options->command == COMMAND_CHUNK || options->command == COMMAND_RUN;
    if (options->serve && !(options->lab && scripted)) {
        fprintf(stderr,
                "tcplua: --serve starts a program in the lab, beside a script: it goes with "
                "--lab SCRIPT\n");
        return false;
    }
    return true;
}
