/*
 * Reads just as much of an ELF file as it takes to tell a whole plugin from anything else.  With
 * pread() and not mmap(): a file that shrinks meanwhile shall be an error, not SIGBUS.  This is a
 * guard against mistakes (a wrong path, a broken copy, an old build); who can write the file can
 * make the daemon do anything.
 */
#include "plugin_file.h"

#include <assert.h>
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHY_SIZE PLUGIN_FILE_WHY

/* struct nbs_plugin as the first release had it; it only grows from there. */
#define SIZE_1_0 (offsetof(struct nbs_plugin, destroy) + sizeof(void (*)(void *)))

#define WORD_MAX 63 /* a plugin's own name and version */

/* Our own ELF header, placed by the linker: class, byte order and machine of this very program,
 * without a list of machines that would miss the next one. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct image {
	int fd;
	uint64_t size;
	ElfW(Ehdr) head;
	char *why; /* WHY_SIZE */
};

/* The address range of a segment, to see that one lies inside another. */
struct range {
	uint64_t start, end;
};

static int NBS_PRINTF(3, 4) refuse(struct image *im, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(im->why, WHY_SIZE, fmt, ap);
	va_end(ap);
	return r;
}

static int check_kind(struct image *im, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return refuse(im, -ENOEXEC, "is a directory");
	if (!S_ISREG(st->st_mode))
		return refuse(im, -ENOEXEC, "is no regular file");
	/* Plugins are loaded before privileges are dropped.  A foreign owner is accepted: a
	 * developer's own build may well be run through sudo. */
	if (st->st_mode & S_IWOTH)
		return refuse(im, -EACCES, "is writable by everybody (mode %04o)",
		              (unsigned)(st->st_mode & 07777));
	if (st->st_size == 0)
		return refuse(im, -ENOEXEC, "is empty");
	return 0;
}

static int image_open(struct image *im, const char *path)
{
	struct stat st;
	int r;

	/* Looked at before it is opened, because to open a device can have effects, and after,
	 * because only that is what will be read. */
	if (stat(path, &st) < 0)
		return refuse(im, -errno, "%m");
	if ((r = check_kind(im, &st)) < 0)
		return r;
	if ((im->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
		return refuse(im, -errno, "cannot be read by uid %u: %m", (unsigned)geteuid());
	if (fstat(im->fd, &st) < 0)
		r = refuse(im, -errno, "%m");
	else
		r = check_kind(im, &st);
	im->size = (uint64_t)st.st_size;
	if (r < 0)
		close(im->fd);
	return r;
}

static int read_at(struct image *im, void *to, size_t len, uint64_t at)
{
	char *p = to;

	while (len > 0) {
		ssize_t n = pread(im->fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(im, -errno, "cannot be read: %m");
		if (n == 0)
			return refuse(im, -ENOEXEC, "is truncated while it is read");
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Whether `len` bytes from `at` on are in the file. */
static int check_inside(struct image *im, const char *what, uint64_t at, uint64_t len)
{
	uint64_t end;

	if (__builtin_add_overflow(at, len, &end))
		return refuse(im, -ENOEXEC, "is damaged: %s at an impossible place", what);
	if (end > im->size)
		return refuse(im, -ENOEXEC, "is truncated: %s up to byte %ju, the file has %ju",
		              what, (uintmax_t)end, (uintmax_t)im->size);
	return 0;
}

static int check_machine(struct image *im)
{
	const ElfW(Ehdr) *own = &__ehdr_start, *it = &im->head;

	if (it->e_ident[EI_CLASS] != own->e_ident[EI_CLASS])
		return refuse(im, -ENOEXEC, "is built for another machine (not %u-bit)",
		              (unsigned)sizeof(void *) * 8);
	if (it->e_ident[EI_DATA] != own->e_ident[EI_DATA])
		return refuse(im, -ENOEXEC, "is built for another machine (other byte order)");
	if (it->e_machine != own->e_machine)
		return refuse(im, -ENOEXEC,
		              "is built for another machine (ELF machine %u, this one is %u)",
		              it->e_machine, own->e_machine);
	if (it->e_type != ET_DYN)
		return refuse(im, -ENOEXEC, "is no shared object (ELF type %u)", it->e_type);
	return 0;
}

static int check_head(struct image *im)
{
	const ElfW(Ehdr) *it = &im->head;
	size_t len = im->size < sizeof(*it) ? im->size : sizeof(*it);
	int r;

	if ((r = read_at(im, &im->head, len, 0)) < 0)
		return r;
	if (memcmp(it->e_ident, ELFMAG, len < SELFMAG ? len : SELFMAG) != 0)
		return refuse(im, -ENOEXEC, "is no ELF file");
	if ((r = check_inside(im, "ELF header", 0, sizeof(*it))) < 0 || (r = check_machine(im)) < 0)
		return r;
	if (it->e_ident[EI_VERSION] != EV_CURRENT || it->e_version != EV_CURRENT ||
	    it->e_phnum == 0 || it->e_phnum == PN_XNUM || it->e_phentsize != sizeof(ElfW(Phdr)))
		return refuse(im, -ENOEXEC, "is damaged: ELF header");
	if ((r = check_inside(im, "program headers", it->e_phoff,
	                      (uint64_t)it->e_phnum * sizeof(ElfW(Phdr)))) < 0)
		return r;
	/* Nobody needs the section headers to load it.  But they come last in a file, so that
	 * they tell whether its end is there. */
	if (it->e_shoff == 0)
		return 0;
	return check_inside(im, "section headers", it->e_shoff,
	                    (uint64_t)it->e_shnum * it->e_shentsize);
}

/* The note is ours: what does it say? */
static int check_note(struct image *im, const ElfW(Nhdr) * note, uint64_t content, uint32_t *abi)
{
	uint32_t said[2];
	int r;

	if (note->n_descsz < sizeof(said))
		return refuse(im, -ENOEXEC, "is damaged: note of the plugin");
	if ((r = read_at(im, said, sizeof(said), content)) < 0)
		return r;
	if (said[0] != NBS_MAGIC)
		return refuse(im, -EPROTO, "has a note with magic 0x%08x, expected 0x%08x",
		              (unsigned)said[0], NBS_MAGIC);
	*abi = said[1];
	if (*abi != NBS_ABI)
		return refuse(im, -EPROTO,
		              "is built for plugin ABI %u, this server has ABI %u: it must be "
		              "built again",
		              (unsigned)*abi, NBS_ABI);
	return 0;
}

static uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* 1: found and good, 0: not in this segment. */
static int scan_notes(struct image *im, const ElfW(Phdr) * seg, uint32_t *abi)
{
	const uint64_t align = seg->p_align == 8 ? 8 : 4;
	uint64_t at = 0, content, next;
	ElfW(Nhdr) note;
	char name[sizeof(NBS_NOTE_NAME)];
	int r;

	/* Sizes in a note have 32 bits and the segment is inside the file: no sum overflows. */
	for (; at + sizeof(note) <= seg->p_filesz; at = next) {
		if ((r = read_at(im, &note, sizeof(note), seg->p_offset + at)) < 0)
			return r;
		content = align_up(at + sizeof(note) + note.n_namesz, align);
		next = align_up(content + note.n_descsz, align);
		if (content + note.n_descsz > seg->p_filesz)
			return refuse(im, -ENOEXEC, "is damaged: a note beyond its segment");
		if (note.n_type != NBS_NOTE_TYPE || note.n_namesz != sizeof(name))
			continue;
		if ((r = read_at(im, name, sizeof(name), seg->p_offset + at + sizeof(note))) < 0)
			return r;
		if (memcmp(name, NBS_NOTE_NAME, sizeof(name)) != 0)
			continue;
		r = check_note(im, &note, seg->p_offset + content, abi);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int read_segment(struct image *im, unsigned i, ElfW(Phdr) * seg)
{
	return read_at(im, seg, sizeof(*seg), im->head.e_phoff + (uint64_t)i * sizeof(*seg));
}

/* Whether what the dynamic loader reads first is mapped at all. */
static int check_dynamic(struct image *im, const struct range *dynamic)
{
	ElfW(Phdr) seg;
	int r;

	for (unsigned i = 0; i < im->head.e_phnum; i++) {
		if ((r = read_segment(im, i, &seg)) < 0)
			return r;
		if (seg.p_type == PT_LOAD && dynamic->start < dynamic->end &&
		    dynamic->start >= seg.p_vaddr && dynamic->end - seg.p_vaddr <= seg.p_filesz)
			return 0;
	}
	return refuse(im, -ENOEXEC, "is damaged: no dynamic section in what is loaded");
}

/* Every segment, and with the one that holds the note the question whether it is ours. */
static int check_segments(struct image *im, uint32_t *abi)
{
	struct range dynamic = {0, 0};
	bool found = false;
	ElfW(Phdr) seg;
	int r;

	for (unsigned i = 0; i < im->head.e_phnum; i++) {
		if ((r = read_segment(im, i, &seg)) < 0 ||
		    (r = check_inside(im, "a segment", seg.p_offset, seg.p_filesz)) < 0)
			return r;
		if (seg.p_type == PT_LOAD && seg.p_memsz < seg.p_filesz)
			return refuse(im, -ENOEXEC, "is damaged: a segment larger than its memory");
		if (seg.p_type == PT_DYNAMIC) {
			dynamic.start = seg.p_vaddr;
			if (__builtin_add_overflow(seg.p_vaddr, seg.p_filesz, &dynamic.end))
				return refuse(im, -ENOEXEC, "is damaged: dynamic section");
		}
		if (seg.p_type == PT_NOTE && !found) {
			if ((r = scan_notes(im, &seg, abi)) < 0)
				return r;
			found = r > 0;
		}
	}
	if (!found)
		return refuse(im, -ENOEXEC, "is no plugin of netbird-signal (it has no such note)");
	return check_dynamic(im, &dynamic);
}

int plugin_file_check(const char *path, uint32_t *abi, char why[static WHY_SIZE])
{
	struct image im = {.fd = -1, .why = why};
	int r;

	*why = '\0';
	*abi = 0;
	if ((r = image_open(&im, path)) < 0)
		return r;
	if ((r = check_head(&im)) == 0)
		r = check_segments(&im, abi);
	close(im.fd);
	return r;
}

/* For the log and the list: one word of sensible length. */
static bool is_word(const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0'; n++)
		if (n == WORD_MAX || !isascii(text[n]) || !isgraph(text[n]))
			return false;
	return n > 0;
}

static int check_entry(struct image *im, const struct nbs_plugin *entry)
{
	if (entry->magic != NBS_MAGIC)
		return refuse(im, -EPROTO, "nbs_plugin_entry has magic 0x%08x, expected 0x%08x",
		              (unsigned)entry->magic, NBS_MAGIC);
	if (entry->abi != NBS_ABI)
		return refuse(im, -EPROTO, "nbs_plugin_entry has ABI %u, this server has ABI %u",
		              (unsigned)entry->abi, NBS_ABI);
	if (entry->size < SIZE_1_0)
		return refuse(im, -EPROTO, "nbs_plugin_entry has %zu bytes, expected at least %zu",
		              entry->size, SIZE_1_0);
	if (entry->name == NULL || !is_word(entry->name))
		return refuse(im, -EPROTO, "its name is no printable word of 1 to %d characters",
		              WORD_MAX);
	if (entry->version == NULL || !is_word(entry->version))
		return refuse(im, -EPROTO, "its version is no printable word of 1 to %d characters",
		              WORD_MAX);
	if (entry->init == NULL || entry->destroy == NULL)
		return refuse(im, -EPROTO, "it has no %s()",
		              entry->init == NULL ? "init" : "destroy");
	return 0;
}

/* What dlopen() has to say, without the path if it begins with that. */
static int refuse_dlerror(struct image *im, const char *path)
{
	const char *text = dlerror();
	const size_t n = strlen(path);

	if (text == NULL)
		text = "cannot be loaded";
	if (strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0)
		text += n + 2;
	return refuse(im, -ENOEXEC, "%s", text);
}

int plugin_file_load(const char *path, const struct nbs_plugin **entry, uint32_t *abi,
                     char why[static WHY_SIZE])
{
	struct image im = {.fd = -1, .why = why};
	const struct nbs_plugin *e;
	void *handle;
	int r;

	/* dlopen() would look for a name without a slash in the system's folders. */
	assert(strchr(path, '/') != NULL);
	if ((r = plugin_file_check(path, abi, why)) < 0)
		return r;
	/* By path, though the file might be another one by now: /proc/self/fd/N would end up in
	 * messages and debuggers, and glibc takes a library that was loaded under the same name
	 * for the same, so that no N could ever be used again. */
	if ((handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) == NULL)
		return refuse_dlerror(&im, path);
	/* No dlclose() ever: with RTLD_NODELETE it would do nothing. */
	if ((e = dlsym(handle, "nbs_plugin_entry")) == NULL)
		return refuse(&im, -EPROTO, "exports no nbs_plugin_entry");
	if ((r = check_entry(&im, e)) < 0)
		return r;
	*entry = e;
	return 0;
}
