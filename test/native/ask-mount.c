// A mount's requests, each a line, and its replies: for ask.c. A path of no bytes is written as ".".

#include "ask.h"

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

// "open AT FLAGS MODE PATH", and what is done with the handle that it gives.
static int ask_handle(void) {
  uint32_t handle = number(1);
  if (is("open"))
    ask(RW_T_MOUNT_OPEN, rw_encode_mount_open(body, sizeof body, number(1), number(2), number(3), words[4],
                                              length_of(words[4])));
  else if (is("release")) ask(RW_T_MOUNT_RELEASE, rw_encode_u32(body, sizeof body, handle));
  else if (is("flush")) ask(RW_T_MOUNT_FLUSH, rw_encode_u32(body, sizeof body, handle));
  else if (is("fsync")) ask(RW_T_MOUNT_FSYNC, rw_encode_mount_fsync(body, sizeof body, handle, 0));
  else if (is("read"))
    ask(RW_T_MOUNT_READ, rw_encode_mount_read(body, sizeof body, handle, number64(2), number(3)));
  else if (is("write"))
    ask_with(RW_T_MOUNT_WRITE, rw_encode_mount_write(body, sizeof body, handle, number(2), number64(3)), words[4]);
  else if (is("copy"))
    ask(RW_T_MOUNT_COPY_RANGE,
        rw_encode_mount_copy_range(body, sizeof body, handle, number(2), 0, number64(3), number64(4)));
  else if (is("allocate"))
    ask(RW_T_MOUNT_FALLOCATE,
        rw_encode_mount_fallocate(body, sizeof body, handle, number(2), number64(3), number64(4)));
  else if (is("seek"))
    ask(RW_T_MOUNT_SEEK, rw_encode_mount_seek(body, sizeof body, handle, number(2), number64(3)));
  else if (is("list") || is("list+"))
    ask(is("list") ? RW_T_MOUNT_READ_DIR : RW_T_MOUNT_READ_DIR_PLUS,
        rw_encode_mount_read_dir(body, sizeof body, handle, number(3), number(4), number(2)));
  else if (is("lock"))
    ask(RW_T_MOUNT_LOCK,
        rw_encode_mount_lock(body, sizeof body, handle, number(2), number(3), number64(4), number64(5)));
  else if (is("test-lock"))
    ask(RW_T_MOUNT_TEST_LOCK,
        rw_encode_mount_test_lock(body, sizeof body, handle, number(2), number64(3), number64(4)));
  else return 0;
  return 1;
}

static void ask_path(uint32_t type) {
  ask(type, rw_encode_mount_path(body, sizeof body, number(1), words[2], length_of(words[2])));
}

static void ask_make(uint32_t type) {
  ask(type, rw_encode_mount_make(body, sizeof body, number(1), number(2), words[3], length_of(words[3])));
}

// "resize PATH SIZE"
static void ask_resize(void) {
  struct rw_set_attributes set = {.valid = 8, .size = number64(2)};
  ask(RW_T_MOUNT_SET_ATTR,
      rw_encode_mount_set_attr(body, sizeof body, 0, 1, &set, words[1], length_of(words[1])));
}

static int ask_name(void) {
  if (is("stat"))
    ask(RW_T_MOUNT_STAT,
        rw_encode_mount_stat(body, sizeof body, number(1), 0, words[2], length_of(words[2])));
  else if (is("mkdir")) ask_make(RW_T_MOUNT_MKDIR);
  else if (is("mknod")) ask_make(RW_T_MOUNT_MKNOD);
  else if (is("watch")) ask_make(RW_T_MOUNT_WATCH);
  else if (is("unwatch")) ask(RW_T_MOUNT_UNWATCH, rw_encode_u32(body, sizeof body, number(1)));
  else if (is("cancel")) ask(RW_T_MOUNT_CANCEL, rw_encode_u32(body, sizeof body, number(1)));
  else if (is("readlink")) ask_path(RW_T_MOUNT_READLINK);
  else if (is("unlink")) ask_path(RW_T_MOUNT_UNLINK);
  else if (is("rmdir")) ask_path(RW_T_MOUNT_RMDIR);
  else if (is("resize")) ask_resize();
  else if (is("symlink"))
    ask(RW_T_MOUNT_SYMLINK, rw_encode_mount_symlink(body, sizeof body, number(1), words[2], length_of(words[2]),
                                                    words[3], length_of(words[3])));
  else if (is("link"))
    ask(RW_T_MOUNT_LINK, rw_encode_mount_link(body, sizeof body, number(1), number(2), words[3],
                                              length_of(words[3]), words[4], length_of(words[4])));
  else if (is("rename"))
    ask(RW_T_MOUNT_RENAME,
        rw_encode_mount_rename(body, sizeof body, number(1), number(2), number(3), words[4], length_of(words[4]),
                               words[5], length_of(words[5])));
  else return 0;
  return 1;
}

// Of a path from the root: "set-xattr PATH NAME VALUE".
static int ask_xattr(void) {
  const char *path = words[1], *name = words[2];
  if (is("set-xattr"))
    ask_with(RW_T_MOUNT_SET_XATTR,
             rw_encode_mount_set_xattr(body, sizeof body, 0, 1, 0, name, length_of(name), path, length_of(path)),
             words[3]);
  else if (is("get-xattr") || is("remove-xattr"))
    ask(is("get-xattr") ? RW_T_MOUNT_GET_XATTR : RW_T_MOUNT_REMOVE_XATTR,
        rw_encode_mount_xattr(body, sizeof body, 0, 1, name, length_of(name), path, length_of(path)));
  else if (is("list-xattr"))
    ask(RW_T_MOUNT_LIST_XATTR, rw_encode_mount_stat(body, sizeof body, 0, 1, path, length_of(path)));
  else return 0;
  return 1;
}

int ask_mount(void) { return ask_handle() || ask_name() || ask_xattr(); }

// ── Replies ─────────────────────────────────────────────────────────────────────────────────────────────────────────

void print_attributes(const struct rw_attributes *of) {
  printf(" kind=%" PRIu32 " mode=%" PRIo32 " links=%" PRIu32 " size=%" PRIu64, of->kind, of->mode, of->links, of->size);
}

// "names LOW HIGH name name": the cookie behind the last of them.
static void print_names(const struct rw_frame *frame) {
  struct rw_list list;
  struct rw_mount_name name, last = {0};
  check("MountNames", rw_decode_mount_names(frame->payload, frame->bytes, &list));
  struct rw_list again = list;
  while (rw_next_mount_name(&list, &name)) last = name;
  printf("names %" PRIu32 " %" PRIu32, last.cookie_low, last.cookie_high);
  while (rw_next_mount_name(&again, &name)) {
    putchar(' ');
    print_bytes(name.name);
  }
}

static void print_entries(const struct rw_frame *frame) {
  struct rw_list list;
  struct rw_mount_entry entry, last = {0};
  check("MountEntries", rw_decode_mount_entries(frame->payload, frame->bytes, &list));
  struct rw_list again = list;
  while (rw_next_mount_entry(&list, &entry)) last = entry;
  printf("entries %" PRIu32 " %" PRIu32, last.cookie_low, last.cookie_high);
  while (rw_next_mount_entry(&again, &entry)) {
    putchar(' ');
    print_bytes(entry.name);
    printf(":%" PRIu32 ":%" PRIu64, entry.attributes.kind, entry.attributes.size);
  }
}

static void print_xattrs(const struct rw_frame *frame) {
  struct rw_list list;
  struct rw_bytes name;
  check("MountXattrs", rw_decode_mount_xattrs(frame->payload, frame->bytes, &list));
  printf("xattrs");
  while (rw_next_mount_xattr(&list, &name)) {
    putchar(' ');
    print_bytes(name);
  }
}

static void print_event(const struct rw_frame *frame) {
  struct rw_mount_event event;
  check("MountEvent", rw_decode_mount_event(frame->payload, frame->bytes, &event));
  printf("event %" PRIu32 " %" PRIu32 " ", event.watch, event.events);
  print_bytes(event.path);
}

static void print_lock(const struct rw_frame *frame) {
  struct rw_mount_lock lock;
  check("MountLockFound", rw_decode_mount_lock(frame->payload, frame->bytes, &lock));
  printf("lock %" PRIu32 " %" PRIu64 " %" PRIu64, lock.kind, lock.start, lock.bytes);
}

static void print_number(const char *what, const struct rw_frame *frame) {
  uint32_t number32;
  check(what, rw_decode_u32(frame->payload, frame->bytes, &number32));
  printf("%s %" PRIu32, what, number32);
}

int print_mount(const struct rw_frame *frame) {
  struct rw_attributes attributes;
  uint32_t handle;
  uint64_t position;
  switch (frame->type) {
    case RW_T_MOUNT_HANDLE:
      check("MountHandle", rw_decode_mount_handle(frame->payload, frame->bytes, &handle, &attributes));
      printf("handle %" PRIu32, handle);
      print_attributes(&attributes);
      break;
    case RW_T_MOUNT_ATTRIBUTES:
      check("MountAttributes", rw_decode_mount_attributes(frame->payload, frame->bytes, &attributes));
      printf("attributes");
      print_attributes(&attributes);
      break;
    case RW_T_DATA:
      printf("data ");
      print_bytes((struct rw_bytes){frame->payload, frame->bytes});
      break;
    case RW_T_POSITION:
      check("Position", rw_decode_u64(frame->payload, frame->bytes, &position));
      printf("position %" PRIu64, position);
      break;
    case RW_T_WRITTEN: print_number("written", frame); break;
    case RW_T_MOUNT_WATCHING: print_number("watching", frame); break;
    case RW_T_MOUNT_LOCK_FOUND: print_lock(frame); break;
    case RW_T_MOUNT_NAMES: print_names(frame); break;
    case RW_T_MOUNT_ENTRIES: print_entries(frame); break;
    case RW_T_MOUNT_XATTRS: print_xattrs(frame); break;
    case RW_T_MOUNT_EVENT: print_event(frame); break;
    default: return 0;
  }
  return 1;
}
