// Payloads: every byte accounted for, every bound checked.

#include "host.h"
#include "unit.h"

void text_is_utf8_without_nul(void) {
  static const char *good[] = {"",                 "plain",            "\xc3\xa9",     "\xe2\x82\xac",
                               "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"};
  static const char *bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",         "\xc3",     "\xe0\x9f\xbf",
                              "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80",
                              "\xff",         "\xe2\x82",         "a\xe2\x28\xa1"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) IS(rw_is_text(good[i], (uint32_t)strlen(good[i])), 1);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) IS(rw_is_text(bad[i], (uint32_t)strlen(bad[i])), 0);
  IS(rw_is_text("a\0b", 3), 0);
}

void payloads_are_accounted_for_to_the_byte(void) {
  uint8_t payload[160] = {0};
  struct rw_stat stat;
  uint64_t length;
  // Every length but the right one is refused, read from memory of exactly that length.
  for (uint32_t bytes = 0; bytes <= sizeof payload; bytes++) {
    uint8_t *exact = malloc(bytes ? bytes : 1);
    memcpy(exact, payload, bytes);
    IS(rw_decode_stat(exact, bytes, &stat), bytes == 80 ? RW_OK : RW_BAD_PAYLOAD);
    IS(rw_decode_file_stream(exact, bytes, &length, &stat), bytes == 88 ? RW_OK : RW_BAD_PAYLOAD);
    struct rw_error error;
    IS(rw_decode_error(exact, bytes, &error), bytes == 12 ? RW_OK : RW_BAD_PAYLOAD);
    struct rw_list argv, env;
    IS(rw_decode_args(exact, bytes, &argv, &env), bytes == 8 ? RW_OK : RW_BAD_PAYLOAD);
    uint32_t more, skipped;
    IS(rw_decode_entries(exact, bytes, &more, &skipped, &env), bytes == 12 ? RW_OK : RW_BAD_PAYLOAD);
    struct rw_statfs statfs;
    IS(rw_decode_statfs(exact, bytes, &statfs), bytes == 48 ? RW_OK : RW_BAD_PAYLOAD);
    free(exact);
  }
  rwi_put_u32(payload + 24, 0x200000); // inode 2^53
  IS(rw_decode_stat(payload, 80, &stat), RW_BAD_PAYLOAD);
  uint8_t list[12];
  struct rw_list argv, env;
  rwi_put_u32(list, 4097);
  IS(rw_decode_args(list, 12, &argv, &env), RW_BAD_PAYLOAD);
  rwi_put_u32(list, 0xffffffffu);
  IS(rw_decode_args(list, 12, &argv, &env), RW_BAD_PAYLOAD);
}

void lists_are_walked(void) {
  static const uint8_t args[] = {2, 0, 0, 0, 1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b', 'c', 1, 0, 0, 0, 0, 0, 0, 0};
  struct rw_list argv, env;
  struct rw_text text;
  IS(rw_decode_args(args, sizeof args, &argv, &env), RW_OK);
  IS(rw_next_text(&argv, &text), 1);
  IS(text.length, 1);
  IS(rw_next_text(&argv, &text), 1);
  CHECK(text.length == 2 && memcmp(text.bytes, "bc", 2) == 0);
  IS(rw_next_text(&argv, &text), 0);
  IS(rw_next_text(&env, &text), 1);
  IS(text.length, 0);
  IS(rw_next_text(&env, &text), 0);
}

static void print(const char *name, const uint8_t *bytes, int32_t count) {
  CHECK(count >= 0);
  printf("%s ", name);
  for (int32_t i = 0; i < count; i++) printf("%02x", bytes[i]);
  printf("\n");
}

void encode_all(void) {
  uint8_t to[256];
  const struct rw_inet inet = {.family = 4, .port = 8080, .address = {127, 0, 0, 1}};
  const struct rw_time accessed = {.seconds = -1, .nanoseconds = 5};
  const struct rw_time modified = {.seconds = 1700000000123, .nanoseconds = 0};
  print("NewStream", to, rw_encode_new_stream(to, sizeof to, 4096, 65536));
  print("Log", to, rw_encode_log(to, sizeof to, 30, "h\xc3\xa9", 3));
  print("Exit", to, rw_encode_exit(to, sizeof to, 255));
  print("Ping", to, rw_encode_ping(to, sizeof to, "abc", 3));
  print("Open", to, rw_encode_open(to, sizeof to, RW_FS, "xy", 2));
  print("ConnectRequest", to, rw_encode_connect(to, sizeof to, 443, 1000, "example.test", 12));
  print("ListenRequest", to, rw_encode_listen(to, sizeof to, 7, &inet));
  print("FileOpen", to, rw_encode_file(to, sizeof to, 3, 0644, "/a/b", 4));
  print("FileStreamOpen", to, rw_encode_file_stream(to, sizeof to, 2, 6, 0600, 0x123456789abcd, RW_ALL_BYTES, "/c", 2));
  print("Accept", to, rw_encode_accept(to, sizeof to, 32767, 0xffffffffu));
  print("Read", to, rw_encode_read(to, sizeof to, 65536));
  print("ReadAt", to, rw_encode_read_at(to, sizeof to, 0x100000001, 9));
  print("WriteAt", to, rw_encode_write_at(to, sizeof to, 77));
  print("Seek", to, rw_encode_seek(to, sizeof to, RW_SEEK_END, -5000000000));
  print("Truncate", to, rw_encode_truncate(to, sizeof to, 1));
  print("Sync", to, rw_encode_sync(to, sizeof to, 1));
  print("Stat", to, rw_encode_path(to, sizeof to, "/p", 2));
  print("Mkdir", to, rw_encode_mkdir(to, sizeof to, 0755, 1, "/d/e", 4));
  print("Rename", to, rw_encode_two_paths(to, sizeof to, "/from", 5, "/to", 3));
  print("Chmod", to, rw_encode_chmod(to, sizeof to, 0700, "/p", 2));
  print("Utimes", to, rw_encode_utimes(to, sizeof to, &accessed, &modified, "/p", 2));
}

void encoders_refuse_what_the_wire_cannot_carry(void) {
  uint8_t to[8192];
  char path[4097];
  struct rw_inet inet = {.family = 5};
  memset(path, 'p', sizeof path);
  IS(rw_encode_path(to, sizeof to, path, 4095), 4099);
  IS(rw_encode_path(to, sizeof to, path, 4096), RW_INVALID);
  IS(rw_encode_path(to, 10, path, 10), RW_TOO_LONG);
  IS(rw_encode_path(to, 3, path, 0), RW_TOO_LONG);
  IS(rw_encode_path(to, sizeof to, "\xff", 1), RW_INVALID);
  IS(rw_encode_connect(to, sizeof to, 1, 0, path, 254), RW_INVALID);
  IS(rw_encode_truncate(to, sizeof to, RW_ALL_BYTES + 1), RW_INVALID);
  IS(rw_encode_seek(to, sizeof to, 0, -(int64_t)RW_ALL_BYTES - 1), RW_INVALID);
  IS(rw_encode_listen(to, sizeof to, 0, &inet), RW_INVALID);
  inet.family = 4;
  inet.address[15] = 1;
  IS(rw_encode_listen(to, sizeof to, 0, &inet), RW_INVALID);
  IS(rw_encode_ping(to, sizeof to, path, 65), RW_INVALID);
  IS(rw_encode_exit(to, sizeof to, 256), RW_INVALID);
}
