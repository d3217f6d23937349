// main.c -- vkdiv_docs: writes the manual and the shells' completions of vkdiv, at build time.
#include "apps/docs/docs.h"

#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "man") == 0)
        docs_manual(stdout, argv[2]);
    else if (argc == 2 && strcmp(argv[1], "bash") == 0)
        docs_bash(stdout);
    else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
        docs_zsh(stdout);
    else if (argc == 2 && strcmp(argv[1], "fish") == 0)
        docs_fish(stdout);
    else
        return fprintf(stderr, "Usage: vkdiv_docs man DATE | bash | zsh | fish\n"), EXIT_USAGE;
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_FAILED;
}
