/*
 * Feeds every file of the folders on the command line to a fuzz target, each in a process of its
 * own, so that one that fails is named and the others run.  Needs no libFuzzer.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define SECONDS_PER_FILE 20

static unsigned passed, failed;

/* The bytes of a file in an allocation of just that size, as libFuzzer gives them. */
static uint8_t *load(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = NULL;
	long size;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0 && (bytes = malloc((size_t)size)) != NULL) {
		*n = (size_t)size;
		if (fread(bytes, 1, *n, f) != *n) {
			free(bytes);
			bytes = NULL;
		}
	}
	if (f != NULL)
		fclose(f);
	return bytes;
}

static int run_one(const char *path)
{
	size_t n;
	uint8_t *bytes = load(path, &n);

	if (bytes == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	alarm(SECONDS_PER_FILE);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
	return 0;
}

static bool replay(const char *path)
{
	const pid_t child = fork();
	int status;

	if (child == 0)
		exit(run_one(path));
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static void replay_folder(const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_SIZE];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && replay(path))
			passed++;
		else if (entries[i]->d_name[0] != '.' && ++failed)
			printf("FAIL %s\n", path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay_folder(argv[i]);
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
