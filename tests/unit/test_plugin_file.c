/*
 * plugin_file_check() against an ELF image that is built here byte by byte, so that each field
 * can be made wrong on its own.
 */
#include "plugin_file.h"

#include <netbird-signal/plugin.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOAD, DYNAMIC, NOTE, N_SEGMENTS };

/* The smallest plugin's file: no code, but everything that the check looks at. */
struct image {
	ElfW(Ehdr) head;
	ElfW(Phdr) seg[N_SEGMENTS];
	struct nbs_plugin_note note;
	ElfW(Dyn) dynamic[1];
	ElfW(Shdr) sections[1];
};

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static char path[] = "/tmp/test_plugin_file.XXXXXX";
static int fd;
static char why[PLUGIN_FILE_WHY];
static uint32_t abi;

static void setup(void)
{
	fd = mkstemp(path);
	cr_assert(fd >= 0);
}

static void teardown(void)
{
	close(fd);
	unlink(path);
}

TestSuite(plugin_file, .init = setup, .fini = teardown);

static struct image good(void)
{
	struct image im = {
	    .head = __ehdr_start,
	    .seg[LOAD] = {.p_type = PT_LOAD, .p_filesz = sizeof(im), .p_memsz = sizeof(im)},
	    .seg[DYNAMIC] = {.p_type = PT_DYNAMIC,
	                     .p_offset = offsetof(struct image, dynamic),
	                     .p_vaddr = offsetof(struct image, dynamic),
	                     .p_filesz = sizeof(im.dynamic),
	                     .p_memsz = sizeof(im.dynamic)},
	    .seg[NOTE] = {.p_type = PT_NOTE,
	                  .p_offset = offsetof(struct image, note),
	                  .p_filesz = sizeof(im.note),
	                  .p_memsz = sizeof(im.note),
	                  .p_align = 4},
	    .note = {sizeof(NBS_NOTE_NAME), 8, NBS_NOTE_TYPE, NBS_NOTE_NAME, NBS_MAGIC, NBS_ABI},
	};

	im.head.e_type = ET_DYN;
	im.head.e_phoff = offsetof(struct image, seg);
	im.head.e_phnum = N_SEGMENTS;
	im.head.e_shoff = offsetof(struct image, sections);
	im.head.e_shnum = 1;
	im.head.e_shentsize = sizeof(im.sections[0]);
	return im;
}

static int check_bytes(const void *bytes, size_t len)
{
	cr_assert(ftruncate(fd, 0) == 0);
	cr_assert(pwrite(fd, bytes, len, 0) == (ssize_t)len);
	return plugin_file_check(path, &abi, why);
}

static int check(const struct image *im)
{
	return check_bytes(im, sizeof(*im));
}

#define refused(im, error, text)                           \
	do {                                               \
		cr_assert_eq(check(im), error, "%s", why); \
		cr_assert_str_eq(why, text);               \
	} while (0)

Test(plugin_file, good_is_accepted)
{
	struct image im = good();

	cr_assert_eq(check(&im), 0, "%s", why);
	cr_assert_eq(abi, NBS_ABI);
	cr_assert_str_empty(why);
	im.head.e_shoff = 0; /* stripped to the bone */
	cr_assert_eq(check(&im), 0, "%s", why);
}

Test(plugin_file, every_cut_is_refused)
{
	struct image im = good();

	for (size_t len = 0; len < sizeof(im); len++) {
		cr_assert_eq(check_bytes(&im, len), -ENOEXEC, "cut at %zu", len);
		if (len == 0)
			cr_assert_str_eq(why, "is empty");
		else
			cr_assert(strstr(why, "is truncated") == why, "cut at %zu: %s", len, why);
	}
}

Test(plugin_file, other_files)
{
	static const char text[] = "#!/bin/sh\nexit 0\n";

	cr_assert_eq(check_bytes(text, sizeof(text)), -ENOEXEC);
	cr_assert_str_eq(why, "is no ELF file");
	cr_assert_eq(check_bytes(text, 3), -ENOEXEC);
	cr_assert_str_eq(why, "is no ELF file");
	cr_assert_eq(plugin_file_check("/tmp", &abi, why), -ENOEXEC);
	cr_assert_str_eq(why, "is a directory");
	cr_assert_eq(plugin_file_check("/dev/null", &abi, why), -ENOEXEC);
	cr_assert_str_eq(why, "is no regular file");
	cr_assert_eq(plugin_file_check("/nonexistent/x.so", &abi, why), -ENOENT);
	cr_assert_str_eq(why, "No such file or directory");
	cr_assert_eq(plugin_file_check("/dev/null/x.so", &abi, why), -ENOTDIR);
	cr_assert_eq(plugin_file_check("", &abi, why), -ENOENT);
}

Test(plugin_file, fifo_does_not_block)
{
	char fifo[sizeof(path) + 8];

	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	cr_assert(mkfifo(fifo, 0600) == 0);
	cr_expect_eq(plugin_file_check(fifo, &abi, why), -ENOEXEC);
	cr_expect_str_eq(why, "is no regular file");
	unlink(fifo);
}

Test(plugin_file, writable_by_everybody)
{
	struct image im = good();

	cr_assert(fchmod(fd, 0666) == 0);
	refused(&im, -EACCES, "is writable by everybody (mode 0666)");
}

Test(plugin_file, other_machine)
{
	struct image im = good();

	im.head.e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	cr_assert_eq(check(&im), -ENOEXEC);
	cr_assert(strstr(why, "is built for another machine (not ") == why, "%s", why);
	im = good();
	im.head.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB;
	refused(&im, -ENOEXEC, "is built for another machine (other byte order)");
	im = good();
	im.head.e_machine = 0xfeed;
	cr_assert_eq(check(&im), -ENOEXEC);
	cr_assert(strstr(why, "(ELF machine 65261, this one is ") != NULL, "%s", why);
}

Test(plugin_file, other_type)
{
	struct image im = good();

	im.head.e_type = ET_EXEC;
	refused(&im, -ENOEXEC, "is no shared object (ELF type 2)");
	im.head.e_type = ET_REL;
	refused(&im, -ENOEXEC, "is no shared object (ELF type 1)");
}

Test(plugin_file, damaged_head)
{
	struct image im = good();

	im.head.e_version = 2;
	refused(&im, -ENOEXEC, "is damaged: ELF header");
	im = good();
	im.head.e_phnum = 0;
	refused(&im, -ENOEXEC, "is damaged: ELF header");
	im.head.e_phnum = PN_XNUM;
	refused(&im, -ENOEXEC, "is damaged: ELF header");
	im = good();
	im.head.e_phentsize++;
	refused(&im, -ENOEXEC, "is damaged: ELF header");
	im = good();
	im.head.e_phoff = ~(ElfW(Off))0;
	cr_assert_eq(check(&im), -ENOEXEC);
	im = good();
	im.head.e_shoff = ~(ElfW(Off))7;
	cr_assert_eq(check(&im), -ENOEXEC);
}

Test(plugin_file, damaged_segments)
{
	struct image im = good();

	im.seg[LOAD].p_offset = ~(ElfW(Off))0;
	cr_assert_eq(check(&im), -ENOEXEC);
	im = good();
	im.seg[LOAD].p_memsz = 0;
	refused(&im, -ENOEXEC, "is damaged: a segment larger than its memory");
	im = good();
	im.seg[DYNAMIC].p_type = PT_NULL;
	refused(&im, -ENOEXEC, "is damaged: no dynamic section in what is loaded");
	im = good();
	im.seg[DYNAMIC].p_vaddr = sizeof(im);
	refused(&im, -ENOEXEC, "is damaged: no dynamic section in what is loaded");
	im = good();
	im.seg[DYNAMIC].p_vaddr = ~(ElfW(Addr))7;
	cr_assert_eq(check(&im), -ENOEXEC);
	im = good();
	im.seg[LOAD].p_type = PT_NULL;
	refused(&im, -ENOEXEC, "is damaged: no dynamic section in what is loaded");
}

Test(plugin_file, no_note)
{
	static const char none[] = "is no plugin of netbird-signal (it has no such note)";
	struct image im = good();

	im.seg[NOTE].p_type = PT_NULL;
	refused(&im, -ENOEXEC, none);
	im = good();
	im.note.type = 2;
	refused(&im, -ENOEXEC, none);
	im = good();
	im.note.name[0] = 'N';
	refused(&im, -ENOEXEC, none);
	im = good();
	im.note.name[14] = 'x'; /* its NUL */
	refused(&im, -ENOEXEC, none);
	im = good();
	im.seg[NOTE].p_filesz = sizeof(ElfW(Nhdr)) - 1;
	refused(&im, -ENOEXEC, none);
}

Test(plugin_file, damaged_note)
{
	static const char beyond[] = "is damaged: a note beyond its segment";
	struct image im = good();

	im.note.name_size = UINT32_MAX;
	refused(&im, -ENOEXEC, beyond);
	im = good();
	im.note.content_size = UINT32_MAX;
	refused(&im, -ENOEXEC, beyond);
	im.note.content_size = 9;
	refused(&im, -ENOEXEC, beyond);
	im = good();
	im.seg[NOTE].p_filesz--;
	refused(&im, -ENOEXEC, beyond);
	im = good();
	im.note.content_size = 7;
	refused(&im, -ENOEXEC, "is damaged: note of the plugin");
}

Test(plugin_file, wrong_note)
{
	struct image im = good();

	im.note.magic = 0x12345678;
	refused(&im, -EPROTO, "has a note with magic 0x12345678, expected 0x4e425347");
	cr_assert_eq(abi, 0);
	im = good();
	im.note.abi = NBS_ABI + 1;
	refused(&im, -EPROTO,
	        "is built for plugin ABI 2, this server has ABI 1: it must be built again");
	cr_assert_eq(abi, NBS_ABI + 1);
}

/* Ours need not be the first, and may stand where notes are aligned to eight. */
Test(plugin_file, among_other_notes)
{
	struct {
		struct image im;
		struct {
			ElfW(Nhdr) head;
			char name[4];
			char content[8];
		} gnu;
		struct nbs_plugin_note ours;
		struct {
			ElfW(Nhdr) head;
			char name[20]; /* 12 + 15, up to a multiple of 8 */
			uint32_t content[2];
		} wide;
	} file = {
	    .im = good(),
	    .gnu = {{4, 5, 3}, "GNU", {0}},
	    .wide = {{sizeof(NBS_NOTE_NAME), 8, NBS_NOTE_TYPE},
	             NBS_NOTE_NAME,
	             {NBS_MAGIC, NBS_ABI}},
	};

	file.ours = file.im.note;
	file.im.seg[NOTE].p_offset = (ElfW(Off))((char *)&file.gnu - (char *)&file);
	file.im.seg[NOTE].p_filesz = sizeof(file.gnu) + sizeof(file.ours);
	cr_assert_eq(check_bytes(&file, sizeof(file)), 0, "%s", why);
	file.im.seg[NOTE].p_offset = (ElfW(Off))((char *)&file.wide - (char *)&file);
	file.im.seg[NOTE].p_filesz = sizeof(file.wide);
	file.im.seg[NOTE].p_align = 8;
	cr_assert_eq(check_bytes(&file, sizeof(file)), 0, "%s", why);
}

/* No reading outside of anything, whatever the fields say; interesting under a sanitizer. */
Test(plugin_file, damage_at_random, .timeout = 60)
{
	static const unsigned char values[] = {0, 1, 4, 8, 0x40, 0x7f, 0x80, 0xfe, 0xff};
	unsigned seed = 1;

	for (int i = 0; i < 5000; i++) {
		struct image im = good();
		unsigned char *bytes = (unsigned char *)&im;

		for (int n = 1 + rand_r(&seed) % 4; n > 0; n--)
			bytes[rand_r(&seed) % sizeof(im)] = values[rand_r(&seed) % sizeof(values)];
		if (check(&im) == 0)
			cr_assert_str_empty(why);
		else
			cr_assert(*why != '\0');
	}
}
