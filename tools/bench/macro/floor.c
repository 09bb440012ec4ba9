/*
 * The floor: what any server of one thread pays for an answer on this machine. An epoll loop that reads, counts the empty
 * lines that end heads (CRLF CRLF, also across reads), and sends as many constant answers. No parsing, no checks, and no
 * file but in the modes `sendfile` and `read`, so no server can be expected below it.
 *
 * Usage: floor [bytes of content, 1024 by default] | floor sendfile <file> | floor read <file> | floor blocks
 * From memory, answers that are due together leave in one write, and large content is one block sent again and again, which
 * stays in the processor's cache. With `sendfile` the content is that of an open file, sent by sendfile(2). With `read` it is
 * read from the file into one buffer for all connections and written from there: what any server pays that copies, be it in
 * C. With `blocks` each target has an answer of its own, 1 KiB in its own memory, found by a hash of the target: the price of
 * many different answers. There a read is a request, and pipelining is not understood.
 * What a connection does not take at once waits for EPOLLOUT.
 *
 * Prints "Listening on port N" for a free port of 127.0.0.1. Ends by a signal.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES_MAX = 512, ANSWERS_MAX = 64, DESCRIPTORS_MAX = 65536, EVENTS_MAX = 512, READ_BYTES = 65536 };

/* Of content sent again and again, and of a file at a time, as our own server reads it. */
enum { BLOCK_BYTES = 262144 };

/* A power of two, and not more than half of it in use. */
enum { BLOCK_SLOTS = 8192, BLOCKS_MAX = BLOCK_SLOTS / 2, TARGET_BYTES_MAX = 56, PAGE_BYTES = 1024 };

static const char FIELDS[] =
    "HTTP/1.1 200 OK\r\nServer: floor\r\nETag: \"hocxy4av87-hocxy4av87-sg-1ajqb-3j3lvfjnwb1ch\"\r\n"
    "Last-Modified: Sun, 15 Mar 2026 10:30:15 GMT\r\nCache-Control: no-cache\r\nAccept-Ranges: bytes\r\n"
    "X-Content-Type-Options: nosniff\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\n"
    "Date: Sun, 15 Mar 2026 10:30:15 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30\r\n\r\n";

/* A target and its answer. */
struct block {
  size_t target_bytes;
  char target[TARGET_BYTES_MAX];
  char answer[HEAD_BYTES_MAX + PAGE_BYTES];
};

/* By descriptor. All answers have the same length, so what is due is a number of bytes and a place in the answer. */
struct connection {
  size_t due;
  size_t at;
  const struct block *block; /* in the mode blocks: what is being sent */
  unsigned char matched; /* bytes of CRLF CRLF seen at the end of the last read */
  unsigned char waits;   /* for EPOLLOUT */
};

static struct connection connections[DESCRIPTORS_MAX];
static char input[READ_BYTES];
static size_t head_bytes, answer_bytes;
static enum { FROM_MEMORY, BY_SENDFILE, BY_READ, BY_BLOCKS } mode;
static int file = -1; /* open in the modes sendfile and read */
static int poller;

/* By the hash of the target, the next free place where that is taken. */
static struct block *blocks[BLOCK_SLOTS];
static size_t block_count;

/* As many whole answers as fit, or the head and one block of a long one. */
static char stream[ANSWERS_MAX * HEAD_BYTES_MAX + BLOCK_BYTES];
static size_t stream_bytes;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void prepare(size_t content_bytes) {
  head_bytes = (size_t)snprintf(stream, HEAD_BYTES_MAX, FIELDS, content_bytes);
  answer_bytes = head_bytes + content_bytes;
  if (mode == BY_SENDFILE || mode == BY_READ) return;
  if (content_bytes > BLOCK_BYTES) {
    memset(stream + head_bytes, 'x', BLOCK_BYTES);
    stream_bytes = head_bytes + BLOCK_BYTES;
    return;
  }
  memset(stream + head_bytes, 'x', content_bytes);
  stream_bytes = answer_bytes;
  for (int i = 1; i < ANSWERS_MAX && stream_bytes + answer_bytes <= sizeof stream; i++) {
    memcpy(stream + stream_bytes, stream, answer_bytes);
    stream_bytes += answer_bytes;
  }
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static ssize_t write_some(int fd, const struct connection *connection) {
  size_t at = connection->at, due = connection->due;
  if (mode == BY_BLOCKS) return write(fd, connection->block->answer + at, due);
  if (mode == BY_SENDFILE) {
    if (at < head_bytes) return send(fd, stream + at, head_bytes - at, MSG_MORE);
    off_t offset = (off_t)(at - head_bytes);
    return sendfile(fd, file, &offset, least(due, answer_bytes - at));
  }
  if (mode == BY_READ) {
    /* The head leaves with the first piece; what is not taken of a piece is read again, as nothing else would keep it. */
    size_t from = at < head_bytes ? at : head_bytes;
    size_t position = at < head_bytes ? 0 : at - head_bytes;
    ssize_t length = pread(file, stream + head_bytes, least(answer_bytes - head_bytes - position, BLOCK_BYTES), (off_t)position);
    return length < 0 ? -1 : write(fd, stream + from, head_bytes - from + (size_t)length);
  }
  if (at < stream_bytes) return write(fd, stream + at, least(due, stream_bytes - at));
  size_t in_block = (at - head_bytes) % BLOCK_BYTES;
  return write(fd, stream + head_bytes + in_block, least(answer_bytes - at, BLOCK_BYTES - in_block));
}

static void wait_for_room(int fd, struct connection *connection, int waits) {
  if (connection->waits == waits) return;
  connection->waits = (unsigned char)waits;
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (waits ? EPOLLOUT : 0), .data.fd = fd};
  epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
}

/* Sends what is due as far as the kernel takes it. Returns 0, or -1 when the peer is gone. */
static int send_due(int fd, struct connection *connection) {
  while (connection->due > 0) {
    ssize_t written = write_some(fd, connection);
    if (written > 0) {
      connection->at = (connection->at + (size_t)written) % answer_bytes;
      connection->due -= (size_t)written;
    } else if (written < 0 && errno == EAGAIN) {
      break;
    } else if (!(written < 0 && errno == EINTR)) {
      return -1;
    }
  }
  wait_for_room(fd, connection, connection->due > 0);
  return 0;
}

static size_t count_heads(struct connection *connection, const char *bytes, size_t length) {
  static const char END[] = "\r\n\r\n";
  unsigned char matched = connection->matched;
  size_t heads = 0;
  for (size_t i = 0; i < length; i++) {
    matched = bytes[i] == END[matched] ? matched + 1 : bytes[i] == '\r';
    if (matched == 4) {
      heads++;
      matched = 0;
    }
  }
  connection->matched = matched;
  return heads;
}

/* The block of the request's target, made at first sight. NULL for what is no GET, has too long a target, or one too many. */
static const struct block *find_block(const char *request, size_t length) {
  static const char METHOD[] = "GET ";
  const char *target = request + strlen(METHOD);
  if (length < strlen(METHOD) || memcmp(request, METHOD, strlen(METHOD)) != 0) return NULL;
  const char *end = memchr(target, ' ', length - strlen(METHOD));
  size_t bytes = end == NULL ? TARGET_BYTES_MAX + 1 : (size_t)(end - target);
  if (bytes > TARGET_BYTES_MAX) return NULL;
  uint32_t slot = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < bytes; i++) slot = (slot ^ (unsigned char)target[i]) * 16777619u;
  for (slot %= BLOCK_SLOTS; blocks[slot] != NULL; slot = (slot + 1) % BLOCK_SLOTS) {
    if (blocks[slot]->target_bytes == bytes && memcmp(blocks[slot]->target, target, bytes) == 0) return blocks[slot];
  }
  struct block *block = block_count == BLOCKS_MAX ? NULL : malloc(sizeof *block);
  if (block == NULL) return NULL;
  block_count++;
  block->target_bytes = bytes;
  memcpy(block->target, target, bytes);
  memcpy(block->answer, stream, answer_bytes);
  memcpy(block->answer + head_bytes, target, bytes); /* so that it is seen whose answer it is */
  return blocks[slot] = block;
}

static void serve(int fd, unsigned events) {
  struct connection *connection = &connections[fd];
  int gone = 0;
  if (events & ~(unsigned)EPOLLOUT) {
    ssize_t length = read(fd, input, sizeof input);
    if (length > 0 && mode == BY_BLOCKS) {
      connection->block = find_block(input, (size_t)length);
      connection->due = answer_bytes;
      gone = connection->block == NULL;
    } else if (length > 0) connection->due += count_heads(connection, input, (size_t)length) * answer_bytes;
    else gone = !(length < 0 && (errno == EAGAIN || errno == EINTR));
  }
  if (!gone && connection->due > 0) gone = send_due(fd, connection) < 0;
  if (gone) close(fd);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= DESCRIPTORS_MAX) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd] = (struct connection){0};
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) close(fd);
  }
}

static size_t content_of(int count, char **words) {
  if (count == 2 && strcmp(words[1], "blocks") == 0) {
    mode = BY_BLOCKS;
    return PAGE_BYTES;
  }
  if (count == 3 && (strcmp(words[1], "sendfile") == 0 || strcmp(words[1], "read") == 0)) {
    mode = words[1][0] == 's' ? BY_SENDFILE : BY_READ;
    struct stat status;
    file = open(words[2], O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) < 0) fail(words[2]);
    return (size_t)status.st_size;
  }
  if (count > 2) {
    fprintf(stderr, "usage: floor [bytes] | floor sendfile <file> | floor read <file> | floor blocks\n");
    exit(2);
  }
  return count == 2 ? strtoull(words[1], NULL, 10) : 1024;
}

int main(int count, char **words) {
  signal(SIGPIPE, SIG_IGN);
  prepare(content_of(count, words));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) fail("getsockname");
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll");
  printf("Listening on port %d\n", ntohs(address.sin_port));
  fflush(stdout);

  static struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int ready = epoll_wait(poller, events, EVENTS_MAX, -1);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.fd == listener) accept_all(listener);
      else serve(events[i].data.fd, events[i].events);
    }
  }
}
