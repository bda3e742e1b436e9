// Names: questions with ids, answers in another order.

#include "host.h"
#include "ringway-resolve.h"
#include "unit.h"

void names_are_asked_for_and_answers_walked(void) {
  struct host *h = attached();
  struct rw_stream *stream = fresh_stream(h, 1);
  const struct rw_inet here = {.family = 4, .address = {192, 0, 2, 1}};
  uint8_t payload[64] = {0};
  uint32_t request, bytes, ttl;
  struct rw_frame frame;
  struct rw_list list;
  struct rw_inet inet;
  struct rw_text text;
  IS(rw_resolver(stream), RW_OK);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_OPEN);
  CHECK(bytes == 4 && payload[0] == RW_RESOLVE);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_OPENED, request, 0, 0);
  IS(rw_opened(stream, 0, 0, 0), RW_OK);

  int32_t first = rw_resolve(stream, 0, "a.test", 6), second = rw_reverse(stream, &here);
  CHECK(first > 0 && second > 0 && first != second);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_RESOLVE);
  IS(request, first);
  CHECK(bytes == 14 && memcmp(payload + 8, "a.test", 6) == 0);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_REVERSE);
  IS(request, second);
  IS(bytes, 24);

  // Ttl, one item, the item.
  rwi_put_u32(payload, 60);
  rwi_put_u32(payload + 4, 1);
  rwi_put_u32(payload + 8, 6);
  memcpy(payload + 12, "a.test", 6);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_NAMES, (uint32_t)second, payload, 18);
  IS(rw_encode_inet(payload + 8, 24, &here), 24);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_ADDRESSES, (uint32_t)first, payload, 32);
  IS(rw_frame_next(stream, &frame, 0, 0), RW_OK);
  CHECK(frame.type == RW_T_NAMES && frame.request == (uint32_t)second);
  IS(rw_decode_names(frame.payload, frame.bytes, &ttl, &list), RW_OK);
  IS(ttl, 60);
  IS(rw_next_text(&list, &text), 1);
  CHECK(text.length == 6 && memcmp(text.bytes, "a.test", 6) == 0);
  IS(rw_next_text(&list, &text), 0);
  IS(rw_frame_next(stream, &frame, 0, 0), RW_OK);
  CHECK(frame.type == RW_T_ADDRESSES && frame.request == (uint32_t)first);
  IS(rw_decode_addresses(frame.payload, frame.bytes, &ttl, &list), RW_OK);
  IS(rw_next_inet(&list, &inet), 1);
  CHECK(memcmp(&inet, &here, sizeof here) == 0);
  IS(rw_next_inet(&list, &inet), 0);
  IS(rw_resolve(stream, 0, "a\xff", 2), RW_INVALID);
  free_host(h);
}
