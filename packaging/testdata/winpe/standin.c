/*
 * Stands in for a program of Windows PE: adds its own name and its arguments to
 * C:\calls.txt.
 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
	FILE *calls = fopen("C:\\calls.txt", "a");
	char *name = strrchr(argv[0], '\\');
	if (calls == NULL)
		return 1;
	fprintf(calls, "%s", name ? name + 1 : argv[0]);
	for (int i = 1; i < argc; i++)
		fprintf(calls, " %s", argv[i]);
	fputc('\n', calls);
	return fclose(calls);
}
