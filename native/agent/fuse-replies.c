// Replies that several actions have: an entry, and attributes. What is in them the kernel may believe for FUSE_VALID_S.

#include "fuse-replies.h"

#include <errno.h>

struct fuse_node *reply_found(struct fuse_mount *mount, struct fuse_entry at, const struct rw_attributes *of,
                              struct fuse_entry_out *to) {
  struct fuse_node *node = nodes_found(&mount->nodes, at, of);
  if (!node) return NULL;
  *to = (struct fuse_entry_out){.nodeid = nodes_id(&mount->nodes, node),
                                .generation = node->generation,
                                .entry_valid = FUSE_VALID_S,
                                .attr_valid = FUSE_VALID_S};
  attributes_to_kernel(&mount->owners, of, &to->attr);
  node_told(node, of);
  reply_makes(mount, &at);
  return node;
}

void reply_makes(struct fuse_mount *mount, const struct fuse_entry *at) {
  if (mount->is_watched) missing_take(&mount->missing, nodes_hash(at), 0);
}

void reply_entry(struct fuse_op *op, const uint8_t *name, uint32_t bytes, const struct rw_frame *frame) {
  struct rw_attributes of;
  struct fuse_entry_out entry;
  if (rw_decode_mount_attributes(frame->payload, frame->bytes, &of) != RW_OK || !attributes_are_sane(&of)) {
    op_fail(op, EIO);
    return;
  }
  struct fuse_entry at = {op->node, name, bytes};
  if (reply_found(op->mount, at, &of, &entry)) op_answer(op, &entry, sizeof entry);
  else op_fail(op, ENOMEM);
}

void reply_attributes(struct fuse_op *op, const struct rw_attributes *of) {
  struct fuse_attr_out out = {.attr_valid = FUSE_VALID_S};
  attributes_to_kernel(&op->mount->owners, of, &out.attr);
  node_told(op->node, of);
  op_answer(op, &out, sizeof out);
}

// ── Handles that nobody wants ───────────────────────────────────────────────────────────────────────────────────────

// No more than were asked for before the ring was full.
void handle_give_back(struct fuse_mount *mount, uint32_t handle) {
  if (mount->unwanted_count < FUSE_FLIGHTS_MAX) mount->unwanted[mount->unwanted_count++] = handle;
  handles_give_back(mount);
}

void handles_give_back(struct fuse_mount *mount) {
  while (mount->ready && mount->unwanted_count > 0) {
    int32_t fields = rw_encode_u32(op_fields, sizeof op_fields, mount->unwanted[mount->unwanted_count - 1]);
    if (rw_request(mount->conn->stream, RW_T_MOUNT_RELEASE, op_fields, (uint32_t)fields) < 0) return;
    mount->unwanted_count--;
  }
}
