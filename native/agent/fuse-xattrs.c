// Extended attributes: GETXATTR, SETXATTR, LISTXATTR, REMOVEXATTR. Which names there are is the policy's to say.

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "fuse-actions.h"
#include "fuse-ways.h"

// The kernel asks for these on its own, for each file that is looked at or written, and no host has them to give.
static int is_kernels(const uint8_t *name, uint32_t bytes) {
  static const char *const known[] = {"security.capability", "security.selinux", "system.posix_acl_access",
                                      "system.posix_acl_default"};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strlen(known[i]) == bytes && memcmp(known[i], name, bytes) == 0) return 1;
  return 0;
}

// Asks about a name; RW_OK, or the op is answered.
static int32_t ask_name(struct fuse_op *op, uint32_t type, const uint8_t *name, uint32_t bytes) {
  if (!name) return op_fail(op, EINVAL);
  if (bytes > RW_NAME_MAX_BYTES) return op_fail(op, ERANGE);
  if (is_kernels(name, bytes)) return op_fail(op, EOPNOTSUPP);
  struct fuse_way way = way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, type,
                rw_encode_mount_xattr(op_fields, sizeof op_fields, way.at, 0, name, bytes, way.path,
                                      (uint32_t)way.bytes));
}

// `size` bytes are wanted; 0: how many there are.
static void answer_sized(struct fuse_op *op, const void *data, uint32_t bytes) {
  const struct fuse_getxattr_in *in = (const void *)op->body;
  struct fuse_getxattr_out size = {.size = bytes};
  if (in->size == 0) op_answer(op, &size, sizeof size);
  else if (bytes > in->size) op_fail(op, ERANGE);
  else op_answer(op, data, bytes);
}

static int32_t get_begin(struct fuse_op *op) {
  uint32_t bytes = 0;
  const uint8_t *name = op_name(op, sizeof(struct fuse_getxattr_in), &bytes);
  return ask_name(op, RW_T_MOUNT_GET_XATTR, name, bytes);
}

static void get_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  answer_sized(op, frame->payload, frame->bytes);
}

static int32_t remove_begin(struct fuse_op *op) {
  uint32_t bytes = 0;
  const uint8_t *name = op_name(op, 0, &bytes);
  return ask_name(op, RW_T_MOUNT_REMOVE_XATTR, name, bytes);
}

static void done_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  (void)frame;
  op_done(op);
}

static int32_t set_begin(struct fuse_op *op) {
  const struct fuse_setxattr_in *in = (const void *)op->body;
  uint32_t bytes;
  const uint8_t *name = op_name(op, sizeof *in, &bytes);
  if (!name || op->bytes - sizeof *in - bytes - 1 < in->size) return op_fail(op, EINVAL);
  if (bytes > RW_NAME_MAX_BYTES) return op_fail(op, ERANGE);
  if (is_kernels(name, bytes)) return op_fail(op, EOPNOTSUPP);
  struct fuse_way way = way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  int32_t fields = rw_encode_mount_set_xattr(op_fields, sizeof op_fields, way.at, 0, in->flags, name, bytes, way.path,
                                             (uint32_t)way.bytes);
  return op_ask_with(op, RW_T_MOUNT_SET_XATTR, fields, name + bytes + 1, (struct fuse_flight){.bytes = in->size});
}

// ── LISTXATTR ───────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t list_begin(struct fuse_op *op) {
  struct fuse_way way = way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, RW_T_MOUNT_LIST_XATTR,
                rw_encode_mount_stat(op_fields, sizeof op_fields, way.at, 0, way.path, (uint32_t)way.bytes));
}

// Names, each ended by a NUL: fewer bytes than the frame has, where each has its length before it.
static void list_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  static uint8_t names[RW_FRAME_PAYLOAD_MAX];
  struct rw_list list;
  struct rw_bytes name;
  uint32_t bytes = 0;
  (void)flight;
  if (rw_decode_mount_xattrs(frame->payload, frame->bytes, &list) != RW_OK) {
    op_fail(op, EIO);
    return;
  }
  while (rw_next_mount_xattr(&list, &name) == 1) {
    if (name.length == 0 || memchr(name.bytes, 0, name.length)) continue;
    memcpy(names + bytes, name.bytes, name.length);
    names[bytes + name.length] = 0;
    bytes += name.length + 1;
  }
  answer_sized(op, names, bytes);
}

const struct fuse_action fuse_getxattr = {.body_bytes = sizeof(struct fuse_getxattr_in),
                                          .traits = BY_NAME | HARMLESS,
                                          .reply = RW_T_DATA,
                                          .begin = get_begin,
                                          .took = get_took};
const struct fuse_action fuse_setxattr = {.body_bytes = sizeof(struct fuse_setxattr_in),
                                          .traits = BY_NAME | CHANGES,
                                          .reply = RW_T_DONE,
                                          .begin = set_begin,
                                          .took = done_took};
const struct fuse_action fuse_listxattr = {.body_bytes = sizeof(struct fuse_getxattr_in),
                                           .traits = BY_NAME | HARMLESS,
                                           .reply = RW_T_MOUNT_XATTRS,
                                           .begin = list_begin,
                                           .took = list_took};
const struct fuse_action fuse_removexattr = {
    .body_bytes = 1, .traits = BY_NAME | CHANGES, .reply = RW_T_DONE, .begin = remove_begin, .took = done_took};
