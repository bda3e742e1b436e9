// memcpy and memset for programs without a libc: compilers call them for copies that they do not write out. Not part of
// the library for programs that have a libc. Weak, so that a kernel's own win. The empty asm keeps a compiler from
// finding memcpy in memcpy.

#include "internal.h"

void *memcpy(void *restrict to, const void *restrict from, rwi_size bytes);
void *memset(void *to, int value, rwi_size bytes);

#define NOT_A_LIBRARY_CALL() __asm__ __volatile__("" ::: "memory")

__attribute__((weak)) void *memcpy(void *restrict to, const void *restrict from, rwi_size bytes) {
  typedef rwi_size __attribute__((may_alias)) word;
  uint8_t *t = to;
  const uint8_t *f = from;
  if ((((rwi_size)t | (rwi_size)f) & (sizeof(word) - 1)) == 0) {
    for (; bytes >= sizeof(word); bytes -= sizeof(word), t += sizeof(word), f += sizeof(word)) {
      *(word *)(void *)t = *(const word *)(const void *)f;
      NOT_A_LIBRARY_CALL();
    }
  }
  for (; bytes > 0; bytes--) {
    *t++ = *f++;
    NOT_A_LIBRARY_CALL();
  }
  return to;
}

__attribute__((weak)) void *memset(void *to, int value, rwi_size bytes) {
  uint8_t *t = to;
  for (; bytes > 0; bytes--) {
    *t++ = (uint8_t)value;
    NOT_A_LIBRARY_CALL();
  }
  return to;
}
