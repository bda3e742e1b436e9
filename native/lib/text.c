// What is text on the wire (FRM-5).

#include "internal.h"

// RFC 3629: no overlong form, no surrogate, nothing cut off or beyond U+10FFFF; and no NUL (FRM-5).
int32_t rw_is_text(const void *text, uint32_t count) {
  const uint8_t *bytes = text;
  for (uint32_t i = 0; i < count;) {
    uint8_t first = bytes[i++];
    if (first == 0 || (first > 0x7f && first < 0xc2) || first > 0xf4) return 0;
    uint32_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (count - i < more) return 0;
    for (uint32_t k = 0; k < more; k++) {
      uint8_t low = 0x80, high = 0xbf; // of the second byte: what its first allows
      if (k == 0 && first == 0xe0) low = 0xa0;
      if (k == 0 && first == 0xed) high = 0x9f;
      if (k == 0 && first == 0xf0) low = 0x90;
      if (k == 0 && first == 0xf4) high = 0x8f;
      if (bytes[i] < low || bytes[i] > high) return 0;
      i++;
    }
  }
  return 1;
}
