// The answer to a request that offers an upgrade (RFC 9110, 7.8): is it 101? It passes on as it is; this reads along.
//
//   VERSION ──▶ STATUS ──▶ LINE ◀──▶ START, START_CR ── empty line ──▶ SWITCHED    101
//      ▲                                                           ├──▶ KEPT        2xx to 5xx
//      └──────────────────────────── 100, 102, 103 ◀───────────────┘
//      no HTTP/1 answer, or its end before there was one: KEPT
//
// While it is awaited, what the program says behind its request stays in its socket: after SWITCHED it goes on as it
// is, after KEPT it is another request (http.c).

#include "upgrade.h"

#include <string.h>

enum at { UNAWAITED, VERSION, STATUS, LINE, START, START_CR, SWITCHED, KEPT };

static const char version[] = "HTTP/1."; // a digit and a space follow

void upgrade_await(struct upgrade *upgrade) { *upgrade = (struct upgrade){.at = VERSION}; }
void upgrade_give_up(struct upgrade *upgrade) { upgrade->at = upgrade->at == UNAWAITED ? UNAWAITED : KEPT; }
static int is_awaited(const struct upgrade *upgrade) { return upgrade->at != UNAWAITED && upgrade->at < SWITCHED; }
int upgrade_is_done(const struct upgrade *upgrade) { return upgrade->at == SWITCHED; }

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static enum at after_head(struct upgrade *upgrade) {
  if (upgrade->status == 101) return SWITCHED;
  if (upgrade->status >= 200) return KEPT;
  *upgrade = (struct upgrade){.at = VERSION};
  return VERSION;
}

static enum at in_version(struct upgrade *upgrade, uint8_t byte) {
  uint32_t at = upgrade->bytes++;
  if (at < sizeof version - 1) return byte == version[at] ? VERSION : KEPT;
  if (at == sizeof version - 1) return is_digit(byte) ? VERSION : KEPT;
  upgrade->bytes = 0;
  return byte == ' ' ? STATUS : KEPT;
}

static enum at in_status(struct upgrade *upgrade, uint8_t byte) {
  if (upgrade->bytes++ == 3) return byte == ' ' || byte == '\r' ? LINE : byte == '\n' ? START : KEPT;
  upgrade->status = (uint16_t)(upgrade->status * 10 + byte - '0');
  return is_digit(byte) ? STATUS : KEPT;
}

// What follows one byte.
static enum at next(struct upgrade *upgrade, uint8_t byte) {
  switch ((enum at)upgrade->at) {
    case VERSION:
      return in_version(upgrade, byte);
    case STATUS:
      return in_status(upgrade, byte);
    case LINE:
      return byte == '\n' ? START : LINE;
    case START:
      return byte == '\n' ? after_head(upgrade) : byte == '\r' ? START_CR : LINE;
    case START_CR:
      return byte == '\n' ? after_head(upgrade) : LINE;
    case UNAWAITED:
    case SWITCHED:
    case KEPT:
      break;
  }
  return KEPT;
}

int upgrade_read(struct upgrade *upgrade, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count && is_awaited(upgrade); i++) upgrade->at = (uint8_t)next(upgrade, bytes[i]);
  return !is_awaited(upgrade);
}
