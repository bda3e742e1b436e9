// Statuses: the first violation of the host's is remembered (ERR-5), and each has a name for people.

#include "internal.h"

int32_t rwi_check(struct rw_guest *guest, int32_t status) {
  if (status <= RW_BAD_SUPERBLOCK && status > RW_SYSTEM && guest->broken == 0) guest->broken = status;
  return status;
}

const char *rw_status_name(int32_t status) {
  static const struct {
    int32_t status;
    const char *name;
  } names[] = {
#define NAME(x) {x, #x}
      NAME(RW_OK),           NAME(RW_AGAIN),       NAME(RW_END),       NAME(RW_CLOSED),      NAME(RW_RESET),
      NAME(RW_REFUSED),      NAME(RW_LOST),        NAME(RW_FAILED),    NAME(RW_INVALID),     NAME(RW_STATE),
      NAME(RW_TOO_LONG),     NAME(RW_NO_SLOT),     NAME(RW_BUSY),      NAME(RW_BAD_SUPERBLOCK),
      NAME(RW_BAD_POSITION), NAME(RW_BAD_FLAG),    NAME(RW_BAD_LENGTH), NAME(RW_BAD_TYPE),
      NAME(RW_BAD_PAYLOAD),  NAME(RW_BAD_STATE),   NAME(RW_BAD_MAGIC), NAME(RW_BAD_VERSION), NAME(RW_BAD_SIZE),
      NAME(RW_BAD_PLACE),    NAME(RW_SYSTEM),
#undef NAME
  };
  for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (names[i].status == status) return names[i].name;
  return "?";
}
