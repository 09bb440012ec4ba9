/*
 * A disk that fails on demand, for a program that is not changed: preloaded (LD_PRELOAD), this makes those calls to files fail
 * that a rule names.
 *
 * Strategy: the compiled server makes many of its system calls without the C library, so standing before the library's
 * functions is not enough. A seccomp filter sends the calls of interest to a SIGSYS handler instead of the kernel, whoever
 * makes them; the handler judges, and makes the call itself from the one instruction that the filter lets through.
 *
 * The rule lies in a file that the program and its test both have, so it can change while the program runs; the calls that
 * were made to fail are counted there, so that a test can see that its fault happened. Everything the handler does is safe
 * in a signal handler. Build: cc -shared -fPIC -O2 -Wall -Wextra -Werror -o inject.so inject.c (Linux on x86-64)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__x86_64__)
#error "only Linux on x86-64"
#endif

enum call { NONE, OPEN, READ, WRITE, FSYNC, LINK, RENAME, UNLINK, STAT, SEND };

/* The file. All of it belongs to the test, but the last two, which the test sets to zero with each rule. */
struct control {
  int32_t call;         /* NONE: nothing fails; READ: SEND fails too, because it reads a file */
  int32_t code;         /* errno; 0: READ, SEND and WRITE are short, half of what was asked for */
  uint32_t let_through; /* matching calls that succeed before */
  uint32_t fail;        /* matching calls that then fail */
  char part[1024];      /* of the path, ended by NUL */
  atomic_uint matched;
  atomic_uint failed;
};

static struct control *control;

/* Makes a system call. The filter knows the address behind its `syscall`, `inject_door`, and lets that one through. */
long inject_call(long number, const long arguments[6]);
extern const char inject_door[];
__asm__(
    ".text\n"
    ".globl inject_call\n"
    ".hidden inject_call\n"
    ".type inject_call, @function\n"
    "inject_call:\n"
    "  mov %rdi, %rax\n"
    "  mov %rsi, %r11\n"
    "  mov 0(%r11), %rdi\n"
    "  mov 8(%r11), %rsi\n"
    "  mov 16(%r11), %rdx\n"
    "  mov 24(%r11), %r10\n"
    "  mov 32(%r11), %r8\n"
    "  mov 40(%r11), %r9\n"
    "  syscall\n"
    ".globl inject_door\n"
    ".hidden inject_door\n"
    "inject_door:\n"
    "  ret\n"
    ".size inject_call, . - inject_call\n");

/* What a system call does, and where its path is: `path` NULL means the descriptor in the first argument, for SEND the second. */
struct meaning {
  enum call call;
  const char *path;
};

static struct meaning meaning_of(long number, const long a[6]) {
  switch (number) {
    case SYS_open: return (struct meaning){OPEN, (const char *)a[0]};
    case SYS_openat: return (struct meaning){OPEN, (const char *)a[1]};
    case SYS_read:
    case SYS_pread64: return (struct meaning){READ, NULL};
    case SYS_sendfile: return (struct meaning){SEND, NULL};
    case SYS_write:
    case SYS_pwrite64: return (struct meaning){WRITE, NULL};
    case SYS_fsync:
    case SYS_fdatasync: return (struct meaning){FSYNC, NULL};
    case SYS_link: return (struct meaning){LINK, (const char *)a[1]};
    case SYS_linkat: return (struct meaning){LINK, (const char *)a[3]};
    case SYS_rename: return (struct meaning){RENAME, (const char *)a[1]};
    case SYS_renameat:
    case SYS_renameat2: return (struct meaning){RENAME, (const char *)a[3]};
    case SYS_unlink: return (struct meaning){UNLINK, (const char *)a[0]};
    case SYS_unlinkat: return (struct meaning){UNLINK, (const char *)a[1]};
    case SYS_fstat: return (struct meaning){STAT, NULL};
    case SYS_newfstatat:
    case SYS_statx: {
      const char *path = (const char *)a[1];
      return (struct meaning){STAT, path != NULL && path[0] != '\0' ? path : NULL};
    }
    default: return (struct meaning){NONE, NULL};
  }
}

/* In the order of the numbers' likelihood; the same ones as in meaning_of. */
static const unsigned trapped[] = {
    SYS_read,   SYS_write,  SYS_openat,   SYS_pread64,   SYS_statx,  SYS_fsync,  SYS_link,       SYS_unlink,  SYS_fstat,
    SYS_open,   SYS_linkat, SYS_pwrite64, SYS_fdatasync, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlinkat,
    SYS_newfstatat, SYS_sendfile};

/* The kernel's name for what a descriptor leads to; false when it has none. `path` has room for `size` bytes. */
static int path_of(int descriptor, char *path, size_t size) {
  char link[32] = "/proc/self/fd/";
  size_t end = strlen(link), digits = 1;
  for (int rest = descriptor; rest >= 10; rest /= 10) digits++;
  for (size_t i = digits; i > 0; i--, descriptor /= 10) link[end + i - 1] = (char)('0' + descriptor % 10);
  const long arguments[6] = {(long)link, (long)path, (long)(size - 1)};
  long length = inject_call(SYS_readlink, arguments);
  if (length < 0) return 0;
  path[length] = '\0';
  return 1;
}

static int is_to_fail(long number, const long arguments[6]) {
  if (control->call == NONE) return 0;
  struct meaning meaning = meaning_of(number, arguments);
  int is_read = meaning.call == SEND && control->call == READ;
  if ((int32_t)meaning.call != control->call && !is_read) return 0;
  char path[4096];
  if (meaning.path == NULL) {
    int descriptor = (int)arguments[meaning.call == SEND ? 1 : 0];
    if (descriptor < 0 || !path_of(descriptor, path, sizeof path)) return 0;
    meaning.path = path;
  }
  if (strstr(meaning.path, control->part) == NULL) return 0;
  uint32_t before = atomic_fetch_add(&control->matched, 1);
  if (before < control->let_through || before - control->let_through >= control->fail) return 0;
  atomic_fetch_add(&control->failed, 1);
  return 1;
}

/* Instead of the kernel: gives the call's result to whoever made it, a negative errno for a failure. */
static void answer(int signal, siginfo_t *info, void *context) {
  (void)signal;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  long number = info->si_syscall;
  long arguments[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                       registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
  if (is_to_fail(number, arguments)) {
    if (control->code != 0) {
      registers[REG_RAX] = -control->code;
      return;
    }
    int count = number == SYS_sendfile ? 3 : 2;
    if (arguments[count] > 1) arguments[count] /= 2;
  }
  registers[REG_RAX] = inject_call(number, arguments);
}

typedef int sigaction_function(int, const struct sigaction *, struct sigaction *);

static sigaction_function *library_sigaction;

/* The C library's, but for SIGSYS: Bun has a handler of its own for sandboxes, which would answer ENOSYS to every call. */
int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict before) {
  if (library_sigaction == NULL) library_sigaction = (sigaction_function *)dlsym(RTLD_NEXT, "sigaction");
  if (control != NULL && signal == SIGSYS) return 0;
  return library_sigaction(signal, action, before);
}

static void trap_calls(void) {
  enum { COUNT = sizeof trapped / sizeof trapped[0] };
  struct sock_filter program[6 + COUNT + 2];
  size_t used = 0;
  uintptr_t door = (uintptr_t)inject_door;
#define LOAD(field, more) \
  (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + (more))
#define IF_EQUAL(value, yes, no) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), yes, no)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)
  program[used++] = LOAD(instruction_pointer, 0);
  program[used++] = IF_EQUAL(door, 0, 3);
  program[used++] = LOAD(instruction_pointer, 4);
  program[used++] = IF_EQUAL(door >> 32, 0, 1);
  program[used++] = RETURN(SECCOMP_RET_ALLOW);
  program[used++] = LOAD(nr, 0);
  for (size_t i = 0; i < COUNT; i++) program[used++] = IF_EQUAL(trapped[i], COUNT - i, 0);
  program[used++] = RETURN(SECCOMP_RET_ALLOW);
  program[used++] = RETURN(SECCOMP_RET_TRAP);

  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
  library_sigaction = (sigaction_function *)dlsym(RTLD_NEXT, "sigaction");
  struct sock_fprog filter = {.len = (unsigned short)used, .filter = program};
  if (library_sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    abort(); /* A test without its fault would pass for nothing. */
  }
}

/* Before the program's own first line. Without INJECT_CONTROL, nothing is changed. */
__attribute__((constructor)) static void start(void) {
  const char *path = getenv("INJECT_CONTROL");
  if (path == NULL) return;
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) abort();
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (control == MAP_FAILED) abort();
  trap_calls();
}
