//go:build ignore

// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Tells of every process that is forked, of every program that is executed
// before its first instruction runs (who, which file, in which folder, with
// which arguments), and of every process that ends, in that order. The object
// beside this file is made of it by `make bpf`, with clang alone: what is
// used of the kernel's types is declared here, and where each field lies on a
// machine is found out there, from the kernel's BTF.
//
// The helpers bpf_probe_read_* are for programs whose license goes with the
// GPL, so this file, unlike the rest, may be used under either of two that do.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define inline_always inline __attribute__((always_inline))

char terms[] SEC("license") = "Dual MIT/GPL";

// Numbers of helpers; include/uapi/linux/bpf.h.
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*map_delete)(void *map, const void *key) = (void *)3;
static u64 (*ktime)(void) = (void *)5;
static u64 (*uid_gid)(void) = (void *)15;
static long (*read_user)(void *to, u32 n, const void *from) = (void *)112;
static long (*read_kernel)(void *to, u32 n, const void *from) = (void *)113;
static long (*read_string)(void *to, u32 n, const void *from) = (void *)115;
static long (*ring_output)(void *ring, void *data, u64 n, u64 flags) = (void *)130;
static u64 (*ring_query)(void *ring, u64 what) = (void *)134;

enum { HASH = 1, ARRAY = 2, ARRAY_PERCPU = 6, RINGBUF = 27 }; // enum bpf_map_type
enum { MMAPABLE = 1 << 10 };                                  // a flag of maps
enum { UNREAD = 0, FORCE_WAKEUP = 2 };                        // of ring_query, of ring_output

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct qstr {
	const u8 *name;
};
struct hlist_bl_node {
	void *pprev;
};
struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
};
struct vfsmount {
	struct dentry *mnt_root;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
struct file {
	struct path f_path;
};
struct fs_struct {
	struct path pwd;
};
struct mm_struct {
	unsigned long arg_start, arg_end;
	struct file *exe_file;
};
typedef struct {
	int counter;
} atomic_t;
struct signal_struct {
	atomic_t live;
};
struct task_struct {
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct task_struct *real_parent, *group_leader;
	struct signal_struct *signal;
	int pid, tgid;
	u64 start_boottime;
};
#pragma clang attribute pop

// get reads one field of one of the kernel's structures.
#define get(from, field)                                                              \
	({                                                                            \
		__typeof__((from)->field) value = 0;                                  \
		read_kernel(&value, sizeof(value),                                    \
			    __builtin_preserve_access_index(&(from)->field));         \
		value;                                                                \
	})

// hide keeps the compiler from knowing what a number can be, so that it leaves
// in the checks that the verifier wants to see.
#define hide(number) asm volatile("" : "+r"(number))

enum {
	NAME = 256,       // the longest name of a file, and its end
	PATH = 4096,      // half of what there is for both paths
	DEPTH = 48,       // folders and mounts on its way
	ARGS = 8192,      // of the arguments
	EXE_GONE = 1,     // the file has no name any more
	EXE_CUT = 2,      // exe holds the nearest folders only
	CWD_CUT = 4,      // and so does cwd
};

// What is told of; the numbers are those of the proc connector.
enum { FORK = 1, EXEC = 2 };
#define EXIT 0x80000000u

// told is what is told of a fork and of an exit, and how each record begins.
// decode.ParseTold of the agent reads it.
struct told {
	u64 time;      // nanoseconds of CLOCK_MONOTONIC
	u64 start;     // when the process began, nanoseconds after boot
	u32 what;
	u32 pid;       // of a fork the child
	u32 parent;    // of a fork who forked it
	u32 lost;      // records that found no room since the program was loaded
};

// record is what is told of an exec.
struct record {
	struct told head;
	u64 arg_start; // where its arguments lie
	u32 uid;
	u32 flags;
	u32 exe;       // bytes of the program's way up to the root: names, each with its 0
	u32 length;    // the same and those of its folder's, which follow
	u32 args;      // bytes of the arguments, which come last
	u32 all;       // bytes of arguments that there are
	u8 text[2 * PATH + ARGS];
};

#define ROOM (1 << 20)

struct {
	int (*type)[RINGBUF];
	int (*max_entries)[ROOM];
} ring SEC(".maps");

// scratch is where a record is put together: no stack has room for one.
struct {
	int (*type)[ARRAY_PERCPU];
	int (*max_entries)[1];
	u32 *key;
	struct record *value;
} scratch SEC(".maps");

// near holds the processes that the agent wants to hear of at once. It puts the
// first ones in; what they fork follows by itself.
struct {
	int (*type)[HASH];
	int (*max_entries)[4096];
	u32 *key;
	u32 *value;
} near SEC(".maps");

// calls counts the records that the agent is to take in at once.
struct {
	int (*type)[ARRAY];
	int (*max_entries)[1];
	int (*map_flags)[MMAPABLE];
	u32 *key;
	u64 *value;
} calls SEC(".maps");

u32 lost;

// begin fills in how a record of task's process begins.
static inline_always void begin(struct told *h, struct task_struct *task, u32 what)
{
	struct task_struct *leader = get(task, group_leader);

	h->time = ktime();
	h->start = get(leader, start_boottime);
	h->what = what;
	h->pid = get(task, tgid);
	h->lost = lost;
}

// tell puts a record into the ring. Who reads it is woken by the first record
// that it has not read, and then waits for more, unless it is called: when a
// process is near, and when it should make room.
static inline_always void tell(void *record, u64 n, u32 is_near)
{
	u64 flags = 0;

	if (is_near || ring_query(&ring, UNREAD) > ROOM / 4) {
		u32 zero = 0;
		u64 *count = map_lookup(&calls, &zero);
		if (count)
			__sync_fetch_and_add(count, 1);
		flags = FORCE_WAKEUP;
	}
	if (ring_output(&ring, record, n, flags))
		__sync_fetch_and_add(&lost, 1);
}

// walk appends the names on the way from p up to the root of its mount
// namespace, as proc_pid_exe(5) would show them. Lengths are kept in r, where
// the verifier forgets what it knew of them: then all ways through look alike
// to it, and it need not follow each.
static inline_always void walk(struct path *p, struct record *r, u32 cut)
{
	struct dentry *d = get(p, dentry);
	struct vfsmount *mnt = get(p, mnt);

	for (int i = 0; i < DEPTH; i++) {
		struct dentry *up = get(d, d_parent);
		if (d == get(mnt, mnt_root)) {
			struct mount *m = (void *)mnt - __builtin_preserve_field_info(((struct mount *)0)->mnt, 0);
			struct mount *above = get(m, mnt_parent);
			if (above == m)
				return;
			d = get(m, mnt_mountpoint);
			mnt = __builtin_preserve_access_index(&above->mnt);
			continue;
		}
		if (d == up)
			return; // of no mount that has a place
		u32 n = r->length;
		if (n > 2 * PATH - NAME)
			break;
		long k = read_string(r->text + n, NAME, get(d, d_name.name));
		if (k <= 1 || k > NAME)
			break;
		r->length = n + k;
		d = up;
	}
	r->flags |= cut;
}

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct told h = {};

	if (get(child, pid) != get(child, tgid))
		return 0; // a thread
	begin(&h, child, FORK);
	h.parent = get(parent, tgid);
	u32 *is_near = map_lookup(&near, &h.parent);
	if (is_near)
		map_update(&near, &h.pid, is_near, 0);
	tell(&h, sizeof(h), !!is_near);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct told h = {};

	struct signal_struct *process = get(task, signal);
	if (get(process, live.counter))
		return 0; // other threads go on
	begin(&h, task, EXIT);
	map_delete(&near, &h.pid);
	tell(&h, sizeof(h), 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	u32 zero = 0;
	struct record *r = map_lookup(&scratch, &zero);
	if (!r)
		return 0;
	struct mm_struct *mm = get(task, mm);
	struct file *exe = get(mm, exe_file);
	struct fs_struct *fs = get(task, fs);
	struct task_struct *parent = get(task, real_parent);

	begin(&r->head, task, EXEC);
	r->head.parent = get(parent, tgid);
	r->arg_start = get(mm, arg_start);
	r->uid = uid_gid();
	r->flags = 0;
	r->length = 0;

	walk(__builtin_preserve_access_index(&exe->f_path), r, EXE_CUT);
	r->exe = r->length;
	struct dentry *d = get(exe, f_path.dentry);
	if (!get(d, d_hash.pprev))
		r->flags |= EXE_GONE;
	walk(__builtin_preserve_access_index(&fs->pwd), r, CWD_CUT);

	u64 all = get(mm, arg_end) - r->arg_start;
	r->all = all > 0x7fffffff ? 0x7fffffff : all;
	u32 n = r->length, args = r->all;
	if (n > 2 * PATH)
		return 0; // cannot be; the verifier wants to hear it
	hide(args);
	if (args > ARGS)
		args = ARGS;
	if (read_user(r->text + n, args, (void *)r->arg_start))
		args = 0; // swapped out already
	r->args = args;
	n += args;
	hide(n);
	if (n > sizeof(r->text))
		return 0;
	tell(r, __builtin_offsetof(struct record, text) + n, !!map_lookup(&near, &r->head.pid));
	return 0;
}
