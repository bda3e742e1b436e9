// OPENDIR, READDIR, READDIRPLUS.
//
//   the host's answer, as many entries as a frame has ──▶ a listing ──▶ as many as the kernel asks for at once
//
// The kernel asks for little at a time: what a frame has more stays with the open folder, for as long as it may be
// believed, and is used where the kernel goes on. Who goes back, or has paused, has the host asked again. Attributes
// are not kept past any change that was made here: the kernel takes what it is told now for what holds now.
//
// Places: "." and ".." are this side's, the others have the host's cookies, which mean nothing here. The small ones
// stand for the two, so a host's that is as small gets a bit more.

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse-actions.h"
#include "fuse-ahead.h"
#include "fuse-replies.h"
#include "fuse-ways.h"
#include "ringway-posix.h"

enum { BEHIND_DOT = 1, BEHIND_DOTS = 2 }; // places
#define SMALL_COOKIE (UINT64_C(1) << 62)

struct fuse_listing {
  int plus;
  uint32_t changes;      // as many as there were when it was asked for
  uint64_t place;        // behind what was used of it
  int is_end;            // there was nothing more
  int64_t until_ms;
  struct rw_list left;   // in `bytes`
  uint8_t bytes[];
};

static uint64_t place_of(uint32_t low, uint32_t high) {
  uint64_t cookie = (uint64_t)high << 32 | low;
  return cookie <= BEHIND_DOTS ? cookie | SMALL_COOKIE : cookie;
}

static uint64_t cookie_of(uint64_t place) {
  if (place <= BEHIND_DOTS) return 0;
  return (place & ~SMALL_COOKIE) <= BEHIND_DOTS ? place & ~SMALL_COOKIE : place;
}

// ── OPENDIR ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t opendir_begin(struct fuse_op *op) {
  struct fuse_way way = way_by_name(op, op->node);
  if (way.bytes == -ESTALE) way = way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, RW_T_MOUNT_OPEN,
                rw_encode_mount_open(op_fields, sizeof op_fields, way.at, MAY_READ | IS_FOLDER, 0, way.path,
                                     (uint32_t)way.bytes));
}

static void opendir_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct rw_attributes of;
  uint32_t handle;
  (void)flight;
  if (rw_decode_mount_handle(frame->payload, frame->bytes, &handle, &of) != RW_OK || handle == 0) {
    op_fail(op, EIO);
    return;
  }
  nodes_is(&op->mount->nodes, op->node, &of); // and has its device, of this epoch
  struct fuse_open *open = open_new(op->node, handle, op->mount->epoch, IS_FOLDER);
  if (!open) {
    handle_give_back(op->mount, handle);
    op_fail(op, ENOMEM);
    return;
  }
  struct fuse_open_out out = {.fh = open_id(open)};
  op_answer(op, &out, sizeof out);
}

const struct fuse_action fuse_opendir = {.body_bytes = sizeof(struct fuse_open_in),
                                         .traits = BY_NAME,
                                         .reply = RW_T_MOUNT_HANDLE,
                                         .begin = opendir_begin,
                                         .took = opendir_took};

// ── What the kernel gets ────────────────────────────────────────────────────────────────────────────────────────────

// One answer in the making, in op->out.
struct page {
  struct fuse_op *op;
  uint32_t bytes, room;
  int plus;
};

static uint32_t padded(uint32_t bytes) { return (bytes + 7) & ~7u; }

// 0: it has no room for it. `entry` of READDIRPLUS.
static int put_entry(struct page *page, const struct fuse_dirent *dirent, const uint8_t *name,
                     const struct fuse_entry_out *entry) {
  uint32_t head = page->plus ? sizeof(struct fuse_direntplus) : sizeof *dirent;
  uint32_t bytes = padded(head + dirent->namelen);
  if (bytes > page->room - page->bytes) return 0;
  uint8_t *to = page->op->out + page->bytes;
  memset(to, 0, bytes);
  if (page->plus) memcpy(to, entry, sizeof *entry);
  memcpy(to + head - sizeof *dirent, dirent, sizeof *dirent);
  memcpy(to + head, name, dirent->namelen);
  page->bytes += bytes;
  return 1;
}

static int has_room(const struct page *page, uint32_t name_bytes) {
  uint32_t head = page->plus ? sizeof(struct fuse_direntplus) : sizeof(struct fuse_dirent);
  return padded(head + name_bytes) <= page->room - page->bytes;
}

// Of whom nothing is known but the name: the kernel looks for it itself.
static const struct fuse_entry_out nothing;
#define UNKNOWN_INODE UINT64_C(0xffffffff)

// As many as there is room for; entries stand behind them in the same answer, if all of it is READDIRPLUS: the kernel
// takes READDIR for the next one where no entry of the last was looked for.
static void put_dots(struct page *page, uint64_t *place) {
  struct fuse_dirent dirent = {.ino = UNKNOWN_INODE, .type = attributes_type(RW_KIND_DIRECTORY)};
  for (uint64_t next = *place + 1; next <= BEHIND_DOTS; next++) {
    dirent.off = next;
    dirent.namelen = (uint32_t)next;
    if (!put_entry(page, &dirent, (const uint8_t *)"..", &nothing)) return;
    *place = next;
  }
}

// 0: there is no room for it.
static int put_name(struct page *page, const struct rw_mount_name *name, uint32_t device) {
  const struct fuse_op *op = page->op;
  struct rw_attributes of = {.device = device, .inode_low = name->inode_low, .inode_high = name->inode_high};
  struct fuse_dirent dirent = {.ino = attributes_inode(&op->mount->owners, &of),
                               .off = place_of(name->cookie_low, name->cookie_high),
                               .namelen = name->name.length,
                               .type = attributes_type(name->kind)};
  if (dirent.ino == 0) dirent.ino = UNKNOWN_INODE;
  return put_entry(page, &dirent, name->name.bytes, NULL);
}

// With what it is, and a lookup of the kernel's.
static int put_found(struct page *page, const struct rw_mount_entry *found) {
  const struct rw_attributes *of = &found->attributes;
  struct fuse_mount *mount = page->op->mount;
  struct fuse_entry_out entry = nothing;
  if (!has_room(page, found->name.length)) return 0;
  int is_known = attributes_are_sane(of);
  if (is_known) {
    struct fuse_entry at = {page->op->node, found->name.bytes, found->name.length};
    is_known = reply_found(mount, at, of, &entry) != NULL;
  }
  struct fuse_dirent dirent = {.ino = is_known ? attributes_inode(&mount->owners, of) : UNKNOWN_INODE,
                               .off = place_of(found->cookie_low, found->cookie_high),
                               .namelen = found->name.length,
                               .type = attributes_type(of->kind)};
  if (dirent.ino == 0) dirent.ino = UNKNOWN_INODE;
  return put_entry(page, &dirent, found->name.bytes, &entry);
}

// The next of a listing, of either kind, as a name: 1, or there is none.
static int next_name(struct fuse_listing *listing, struct rw_mount_name *name, struct rw_mount_entry *entry) {
  if (!listing->plus) return rw_next_mount_name(&listing->left, name);
  int more = rw_next_mount_entry(&listing->left, entry);
  if (more != 1) return more;
  *name = (struct rw_mount_name){.cookie_low = entry->cookie_low,
                                 .cookie_high = entry->cookie_high,
                                 .kind = entry->attributes.kind,
                                 .inode_low = entry->attributes.inode_low,
                                 .inode_high = entry->attributes.inode_high,
                                 .name = entry->name};
  return 1;
}

// As many as there is room for; the first that has none stays in the listing.
static void put_listing(struct page *page, struct fuse_listing *listing) {
  struct rw_mount_name name;
  struct rw_mount_entry entry;
  for (;;) {
    struct rw_list before = listing->left;
    if (next_name(listing, &name, &entry) != 1) return;
    if (!name_is_sane(name.name.bytes, name.name.length)) continue;
    // Names alone are of their folder's device: a mount of the host's shows what it covers, as ever.
    const uint32_t device = listing->plus ? entry.attributes.device : page->op->node->device;
    if (!(page->plus ? put_found(page, &entry) : put_name(page, &name, device))) {
      listing->left = before;
      return;
    }
    listing->place = place_of(name.cookie_low, name.cookie_high);
  }
}

// ── READDIR, READDIRPLUS ────────────────────────────────────────────────────────────────────────────────────────────

static struct page begin_page(struct fuse_op *op) {
  const struct fuse_read_in *in = (const void *)op->body;
  uint32_t room = in->size < FUSE_DATA_BYTES ? in->size : FUSE_DATA_BYTES;
  return (struct page){.op = op, .room = room, .plus = op->opcode == FUSE_READDIRPLUS};
}

// For names alone one with attributes is as good.
static int is_usable(const struct fuse_op *op, const struct fuse_listing *listing, uint64_t place) {
  const int plus = op->opcode == FUSE_READDIRPLUS;
  if (!listing || listing->place != place || (plus && !listing->plus && !listing->is_end)) return 0;
  if ((plus || listing->is_end) && listing->changes != op->mount->changes) return 0;
  return (listing->left.items > 0 || listing->is_end) && rw_posix_now_ms() < listing->until_ms;
}

// From `place` on, as many as a frame has.
static int32_t ask_listing(struct fuse_op *op, uint64_t place, int plus) {
  uint64_t cookie = cookie_of(place);
  op->step = op->mount->changes;
  return op_ask(op, plus ? RW_T_MOUNT_READ_DIR_PLUS : RW_T_MOUNT_READ_DIR,
                rw_encode_mount_read_dir(op_fields, sizeof op_fields, op->open->handle, (uint32_t)cookie,
                                         (uint32_t)(cookie >> 32), RW_LIST_MAX));
}

// The listing that was asked for from `place` on is the open folder's: an errno where it is none.
static int keep_listing(const struct fuse_op *op, uint64_t place, int plus, const struct rw_frame *frame) {
  struct fuse_listing *listing = malloc(sizeof *listing + frame->bytes);
  if (!listing) return ENOMEM;
  *listing = (struct fuse_listing){
      .plus = plus, .changes = op->step, .place = place, .until_ms = rw_posix_now_ms() + FUSE_VALID_S * 1000};
  memcpy(listing->bytes, frame->payload, frame->bytes);
  free(op->open->listing);
  op->open->listing = listing;
  int32_t status = plus ? rw_decode_mount_entries(listing->bytes, frame->bytes, &listing->left)
                        : rw_decode_mount_names(listing->bytes, frame->bytes, &listing->left);
  listing->is_end = status == RW_OK && listing->left.items == 0;
  if (status != RW_OK) listing->left.items = 0;
  return status == RW_OK ? 0 : EIO;
}

// ── The next one ────────────────────────────────────────────────────────────────────────────────────────────────────

static uint64_t next_place(const struct fuse_op *op) { return (uint64_t)op->done << 32 | op->sent; }

static int32_t next_begin(struct fuse_op *op) {
  if (!op->open || op_is_lost(op)) return op_done(op);
  return ask_listing(op, next_place(op), op->opcode == FUSE_READDIRPLUS);
}

static void next_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  const int plus = op->opcode == FUSE_READDIRPLUS;
  (void)flight;
  if (op->open && frame->type == (plus ? RW_T_MOUNT_ENTRIES : RW_T_MOUNT_NAMES))
    keep_listing(op, next_place(op), plus, frame);
  op_done(op);
}

static const struct fuse_action next_listing = {
    .traits = OPENED, .begin = next_begin, .took = next_took, .ended = ahead_ended};

// The kernel has the last entry of a listing, and will ask for what is behind it.
static void ask_next(struct fuse_mount *mount, struct fuse_open *open) {
  const struct fuse_listing *listing = open->listing;
  if (listing->left.items > 0 || listing->is_end) return;
  struct fuse_op *op = ahead_begin(mount, &next_listing, open);
  if (!op) return;
  op->opcode = listing->plus ? FUSE_READDIRPLUS : FUSE_READDIR;
  op->sent = (uint32_t)listing->place;
  op->done = (uint32_t)(listing->place >> 32);
  op_queue(op);
}

static int32_t answer_page(struct fuse_op *op, const struct page *page) {
  struct fuse_mount *mount = op->mount;
  struct fuse_open *open = op->open;
  op_answer(op, op->out, page->bytes);
  if (open->listing) ask_next(mount, open);
  return OP_OVER;
}

static int32_t readdir_begin(struct fuse_op *op) {
  const struct fuse_read_in *in = (const void *)op->body;
  uint64_t place = in->offset;
  if (op_is_lost(op)) return op_fail(op, EIO);
  if (ahead_waits(op)) return RW_OK;
  if (!op->out && !(op->out = buffer_take())) return op_fail(op, ENOMEM);
  struct page page = begin_page(op);
  put_dots(&page, &place);
  struct fuse_listing *listing = op->open->listing;
  if (place < BEHIND_DOTS) return op_answer(op, op->out, page.bytes);
  const int is_first = in->offset < BEHIND_DOTS; // who goes back to the beginning of an empty folder looks again
  if (!is_first && is_usable(op, listing, place)) {
    put_listing(&page, listing);
    if (page.bytes > 0 || listing->is_end) return answer_page(op, &page);
  }
  return ask_listing(op, place, page.plus);
}

static void readdir_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  const struct fuse_read_in *in = (const void *)op->body;
  struct page page = begin_page(op);
  uint64_t place = in->offset;
  (void)flight;
  put_dots(&page, &place);
  int error = keep_listing(op, place, page.plus, frame);
  if (error) {
    op_fail(op, (uint32_t)error);
    return;
  }
  put_listing(&page, op->open->listing);
  answer_page(op, &page);
}

const struct fuse_action fuse_readdir = {.body_bytes = sizeof(struct fuse_read_in),
                                         .traits = OPENED,
                                         .reply = RW_T_MOUNT_NAMES,
                                         .begin = readdir_begin,
                                         .took = readdir_took};
const struct fuse_action fuse_readdirplus = {.body_bytes = sizeof(struct fuse_read_in),
                                             .traits = OPENED | BY_NAME,
                                             .reply = RW_T_MOUNT_ENTRIES,
                                             .begin = readdir_begin,
                                             .took = readdir_took};
