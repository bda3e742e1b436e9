// Every unit test, and what `unit` can do besides.

#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <stdint.h>

#define TESTS(X) \
  X(rings_match_an_oracle_through_the_wrap) \
  X(positions_out_of_bounds_are_refused) \
  X(closed_words_only_grow) \
  X(two_threads_lose_no_byte_and_no_wake_up) \
  X(a_superblock_that_cannot_be_is_refused) \
  X(attach_follows_the_epoch) \
  X(an_attach_request_is_new_whatever_the_words_hold) \
  X(each_epoch_has_the_places_of_the_monitor_that_answered) \
  X(a_monitor_that_restarts_under_an_attach_is_asked_anew) \
  X(a_guest_that_waits_rings_a_monitor_that_may_not_have_heard_it) \
  X(every_pending_bit_comes_out_once) \
  X(sleep_is_announced_and_taken_back) \
  X(the_host_is_rung_only_where_it_sleeps) \
  X(busy_polling_ends_and_adapts) \
  X(replies_find_who_asked) \
  X(each_request_has_its_reply) \
  X(a_full_control_pipe_says_when_to_go_on) \
  X(a_stream_closed_before_it_came_is_given_back) \
  X(what_no_host_sends_ends_the_guest) \
  X(frames_arrive_whole_however_they_are_cut) \
  X(a_bad_frame_is_found_at_its_header) \
  X(a_frame_cut_off_by_the_end_is_a_violation) \
  X(a_frame_beyond_the_buffer_waits) \
  X(a_flood_of_unknown_messages_does_not_hold_the_guest) \
  X(a_small_scratch_is_enough_to_be_refused) \
  X(bytes_go_both_ways_and_end) \
  X(a_reset_is_told_after_the_bytes_before_it) \
  X(a_reset_is_seen_before_the_bytes_are_taken) \
  X(what_the_host_has_not_taken_is_counted) \
  X(a_raw_stream_carries_its_own_open) \
  X(a_refusal_carries_its_reason) \
  X(a_block_is_not_touched_after_its_second_closed_word) \
  X(a_listener_gets_what_was_posted) \
  X(slots_with_the_same_hash_are_told_apart) \
  X(datagrams_come_one_by_one_each_with_its_peer) \
  X(datagrams_are_sent_whole_and_without_an_id) \
  X(errors_and_losses_of_datagrams_are_told) \
  X(what_no_socket_can_send_is_a_violation) \
  X(names_are_asked_for_and_answers_walked) \
  X(a_unix_socket_tells_who_is_at_its_other_end) \
  X(a_unix_listener_gets_what_was_posted) \
  X(records_stay_whole_and_apart) \
  X(text_is_utf8_without_nul) \
  X(payloads_are_accounted_for_to_the_byte) \
  X(lists_are_walked) \
  X(a_names_address_is_its_own_for_as_long_as_it_may_be_kept) \
  X(names_of_which_no_program_was_told_make_room_for_all_others) \
  X(folders_stay_as_long_as_a_name_below_them) \
  X(encoders_refuse_what_the_wire_cannot_carry) \
  X(a_hostile_host_harms_nobody)

#define DECLARE(name) void name(void);
TESTS(DECLARE)
#undef DECLARE

// Prints what the encoders write, for the TypeScript codec to read.
void encode_all(void);
// Moves of a hostile host and its guest; returns after how many of them the guest was still attached.
uint64_t attack(uint32_t seed, uint32_t moves);

#endif
