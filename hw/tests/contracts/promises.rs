//! Where the promises of every leaf's header are measured. A changed header, a new block or a test
//! that went away makes the comparison fail, so that no line is left without its measurement.

/// A leaf, what its header promises, and the tests that measure it.
pub struct Promise {
    /// File of the block below `src`.
    pub file: &'static str,
    /// Name of the block.
    pub block: &'static str,
    /// How its latency line starts.
    pub latency: &'static str,
    /// How its throughput line starts.
    pub throughput: &'static str,
    /// `file::test`, below `src`.
    pub tests: &'static [&'static str],
}

const fn promise(
    file: &'static str,
    block: &'static str,
    latency: &'static str,
    throughput: &'static str,
    tests: &'static [&'static str],
) -> Promise {
    Promise {
        file,
        block,
        latency,
        throughput,
        tests,
    }
}

const RX_PATH: &str =
    "net/rx/tests/promises.rs::every_block_of_the_path_keeps_its_latency_at_line_rate";
const TX_PATH: &str = "net/tx/tests/promises.rs::every_block_of_the_path_keeps_its_latency_with_short_replies_back_to_back";

/// Every leaf that promises anything.
pub const PROMISES: &[Promise] = &[
    promise(
        "stream/skid.rs",
        "Skid",
        "1 cycle",
        "1 item/cycle",
        &["stream/skid.rs::keeps_its_contract"],
    ),
    promise(
        "stream/fifo.rs",
        "Fifo",
        "1 cycle when empty",
        "1 item/cycle",
        &["stream/fifo.rs::keeps_its_contract_at_every_depth"],
    ),
    promise(
        "stream/block_fifo.rs",
        "BlockFifo",
        "3 cycles when empty",
        "1 item/cycle",
        &["stream/block_fifo.rs::keeps_its_contract_at_every_depth"],
    ),
    promise(
        "stream/packet_fifo.rs",
        "PacketFifo",
        "3 cycles from the last beat",
        "1 beat/cycle in and out",
        &["stream/packet_fifo.rs::forwards_good_frames_only"],
    ),
    promise(
        "stream/async_fifo.rs",
        "AsyncFifo",
        "4 cycles when both clocks tick together",
        "1 item per cycle of the slower clock",
        &[
            "stream/async_fifo/tests.rs::keeps_its_contract_with_clocks_that_tick_together",
            "stream/async_fifo/tests.rs::keeps_the_rate_of_the_slower_clock",
        ],
    ),
    promise(
        "stream/fork.rs",
        "Fork",
        "1 cycle",
        "1 item/cycle",
        &["stream/fork.rs::keeps_its_contract_with_one_and_three_outputs"],
    ),
    promise(
        "stream/join.rs",
        "Join",
        "1 cycle",
        "1 pair/cycle",
        &["stream/join.rs::keeps_its_contract"],
    ),
    promise(
        "stream/arbiter.rs",
        "Arbiter",
        "1 cycle",
        "1 item/cycle",
        &[
            "stream/arbiter/tests.rs::one_input_passes_through_unchanged",
            "stream/arbiter/tests.rs::busy_inputs_take_turns",
        ],
    ),
    promise(
        "stream/width.rs",
        "WidthDown",
        "1 cycle",
        "1 narrow beat/cycle",
        &["stream/width.rs::cuts_wide_beats"],
    ),
    promise(
        "stream/width.rs",
        "WidthUp",
        "1 cycle",
        "1 narrow beat/cycle",
        &["stream/width.rs::gathers_narrow_beats"],
    ),
    promise(
        "stream/shift.rs",
        "Shift",
        "2 cycles",
        "1 beat/cycle out",
        &["stream/shift.rs::keeps_its_contract_at_every_granule"],
    ),
    promise(
        "stream/free_list.rs",
        "FreeList",
        "2 cycles from a release",
        "1 id/cycle out, 2 ids/cycle in",
        &[
            "stream/free_list.rs::a_released_id_is_offered_again_after_two_cycles",
            "stream/free_list.rs::no_id_has_two_holders_and_none_is_lost",
        ],
    ),
    promise(
        "net/rx/ethernet.rs",
        "EthernetDecoder",
        "1 cycle",
        "1 beat/cycle",
        &[RX_PATH],
    ),
    promise(
        "net/rx/ipv4.rs",
        "Ipv4Decoder",
        "1 cycle",
        "1 beat/cycle",
        &[RX_PATH],
    ),
    promise(
        "net/rx/udp.rs",
        "UdpDecoder",
        "1 cycle",
        "1 beat/cycle",
        &[RX_PATH],
    ),
    promise(
        "net/rx/oncrpc.rs",
        "OncRpcDecoder",
        "1 cycle (`beat`, `key`), 3 cycles (`verdict`)",
        "1 beat/cycle",
        &[RX_PATH],
    ),
    promise(
        "net/rx/checksum.rs",
        "ChecksumVerifier",
        "5 cycles from the last beat",
        "1 beat/cycle",
        &[RX_PATH],
    ),
    promise(
        "net/rx/verdict.rs",
        "Verdict",
        "1 cycle",
        "1 frame/cycle",
        &[RX_PATH],
    ),
    promise(
        "net/rx/hash_table.rs",
        "HashTable",
        "2 cycles",
        "1 key/cycle",
        &[
            "net/rx/hash_table.rs::finds_what_a_map_of_places_finds_two_cycles_later",
            RX_PATH,
        ],
    ),
    promise(
        "net/rx/commit.rs",
        "Commit",
        "1 cycle",
        "1 decision/cycle",
        &[
            "net/rx/tests/promises.rs::every_decision_about_a_call_is_carried_out_a_cycle_later",
            "net/rx/tests/promises.rs::commit_takes_a_decision_in_every_cycle",
        ],
    ),
    promise(
        "net/rx/slot_writer.rs",
        "SlotWriter",
        "2 cycles to a write, 3 to the last one of a call",
        "1 beat/cycle",
        &["net/rx/tests/promises.rs::a_call_is_written_two_and_three_cycles_after_its_beats"],
    ),
    promise(
        "net/rx/bypass_queue.rs",
        "BypassQueue",
        "3 cycles from the last beat to the first write",
        "1 beat/cycle in and out",
        &[
            "net/rx/tests/promises.rs::a_bypass_frame_is_written_from_three_cycles_after_its_end_beat_by_beat",
            "net/rx/tests/promises.rs::bypass_frames_of_one_beat_are_written_and_handed_on_one_per_cycle",
        ],
    ),
    promise(
        "net/tx/sessions.rs",
        "SessionTable",
        "2 cycles; a freed session can be taken 2 cycles after its verdict",
        "1 session taken, opened and bound/cycle; 1 check in 3 cycles",
        &[
            "net/tx/tests/promises.rs::a_verdict_takes_two_cycles_and_its_session_is_free_two_cycles_later",
            "net/tx/tests/promises.rs::a_session_is_taken_opened_and_bound_in_every_cycle",
        ],
    ),
    promise(
        "net/tx/neighbours.rs",
        "NeighbourTable",
        "3 cycles",
        "1 lookup, 1 write and 1 read/cycle",
        &[
            "net/tx/tests/neighbours.rs::finds_the_lowest_entry_of_an_address_three_cycles_later",
            "net/tx/tests/neighbours.rs::never_gives_the_mac_of_another_address_whatever_is_rewritten",
        ],
    ),
    promise(
        "net/tx/admit.rs",
        "Admit",
        "0 cycles to the first beat's address, 2 to `peer`",
        "1 job in 3 cycles",
        &[TX_PATH],
    ),
    promise(
        "net/tx/header.rs",
        "HeaderBuilder",
        "3 cycles from `peer` to `head`",
        "1 job in 3 cycles",
        &[TX_PATH],
    ),
    promise(
        "net/tx/gather.rs",
        "Gather",
        "4 cycles",
        "1 beat/cycle",
        &[
            TX_PATH,
            "net/tx/tests/path.rs::short_replies_leave_every_three_cycles_and_long_ones_at_full_rate",
        ],
    ),
    promise(
        "net/tx/emit.rs",
        "Emit",
        "2 cycles from `checksum` to the first beat, one more for a raw frame",
        "1 beat/cycle",
        &[
            TX_PATH,
            "net/tx/tests/promises.rs::a_raw_frame_starts_three_cycles_after_its_checksum_and_goes_out_at_full_rate",
        ],
    ),
    promise(
        "dispatch/mod.rs",
        "Dispatcher",
        "1 cycle to a waiting endpoint",
        "1 decision/cycle",
        &[
            "dispatch/tests.rs::a_message_reaches_a_waiting_endpoint_in_one_cycle",
            "dispatch/tests.rs::waiting_endpoints_take_turns_one_decision_per_cycle",
        ],
    ),
    promise(
        "host/reset.rs",
        "ResetControl",
        "2 cycles from the last part at rest to `sweep`, 1 from `orphan` to `give`",
        "one orphan for each message of the TX half",
        &["host/tests/reset.rs::sessions_are_searched_for_when_both_halves_rest"],
    ),
    promise(
        "net/tx/orphans.rs",
        "Orphans",
        "3 cycles for each session of the table that is not the endpoint's",
        "one search at a time",
        &[
            "net/tx/tests/orphans.rs::a_session_of_another_takes_3_cycles",
            "net/tx/tests/orphans.rs::every_session_of_the_endpoint_is_found_once",
        ],
    ),
    promise(
        "host/preempt.rs",
        "PreemptionLines",
        "with `E` endpoints 3 to E + 2 cycles from `load` to `fill`, 2 to E + 1 from `settings` or `resetting` to `recall`, 2 from `event` to `yielded`",
        "one fill at a time, the next when the last has left; a recall in every second cycle",
        &["host/tests/preempt.rs::every_answer_and_recall_comes_within_a_round_of_turns"],
    ),
    promise(
        "host/router.rs",
        "LineRouter",
        "1 cycle",
        "1 load/cycle",
        &["host/tests/blocks/arriving.rs::router_sends_each_load_to_one_place_in_order"],
    ),
    promise(
        "host/rx.rs",
        "RxHalf",
        "1 cycle from `call` or `frame` to `fill`",
        "1 load/cycle",
        &[
            "host/tests/rx_half.rs::a_message_is_answered_in_one_cycle_and_loads_follow_in_every_cycle",
        ],
    ),
    promise(
        "host/tx.rs",
        "TxHalf",
        "1 cycle from the control line's `event` to `message`",
        "1 load/cycle",
        &[
            "host/tests/tx_half.rs::a_control_line_is_offered_in_one_cycle_and_loads_follow_in_every_cycle",
        ],
    ),
    promise(
        "host/intake.rs",
        "Intake",
        "2 cycles",
        "1 beat/cycle over both channels",
        &["host/tests/blocks/arriving.rs::intake_stores_transmit_lines_and_tells_of_every_line"],
    ),
    promise(
        "host/fill.rs",
        "FillEngine",
        "2 cycles",
        "1 beat/cycle",
        &[
            "host/tests/blocks/leaving.rs::fill_engine_sends_what_the_buffers_hold_masked_and_in_order",
        ],
    ),
    promise(
        "host/recall.rs",
        "RecallPort",
        "1 cycle",
        "1 recall/cycle",
        &["host/tests/blocks/leaving.rs::recall_port_names_lines_by_address_and_halves_take_turns"],
    ),
    promise(
        "host/buffers.rs",
        "PacketBuffer",
        "1 cycle",
        "1 read/cycle on every port",
        &[
            "host/tests/blocks/stores.rs::buffers_give_the_word_of_an_address_one_cycle_later_and_keep_it",
        ],
    ),
    promise(
        "host/buffers.rs",
        "TransmitLines",
        "1 cycle",
        "1 read/cycle on every port",
        &["host/tests/blocks/stores.rs::transmit_lines_give_both_readers_a_word_in_every_cycle"],
    ),
    promise(
        "host/tally.rs",
        "Tally",
        "`Tally` 1 cycle, `SlotReturn` 0",
        "every cycle",
        &["host/tests/blocks/stores.rs::tally_adds_the_pulses_of_every_cycle_one_cycle_later"],
    ),
    promise(
        "host/tally.rs",
        "SlotReturn",
        "`Tally` 1 cycle, `SlotReturn` 0",
        "every cycle",
        &["host/tests/blocks/stores.rs::slots_go_back_to_their_pool_in_the_same_cycle"],
    ),
    promise(
        "host/gather.rs",
        "Gather",
        "0",
        "every cycle",
        &["host/tests/blocks/stores.rs::gather_passes_its_streams_on_in_the_same_cycle"],
    ),
    promise(
        "host/adapter/axi_read.rs",
        "AxiRead",
        "0 cycles from `ar` to `load`, 1 from `answer` to `r`",
        "1 load/cycle, 1 beat/cycle",
        &[
            "host/adapter/tests/eci.rs::every_way_takes_two_or_three_cycles_and_a_beat_per_cycle",
            "host/adapter/tests/pcie.rs::every_way_takes_three_cycles_and_an_item_per_cycle",
            "host/adapter/tests/eci.rs::reads_become_loads_and_answers_keep_their_id_and_order",
        ],
    ),
    promise(
        "host/adapter/events.rs",
        "Events",
        "1 cycle",
        "every cycle",
        &["host/adapter/tests/cxl.rs::every_request_gets_what_the_tables_say"],
    ),
    promise(
        "host/adapter/eci/translate.rs",
        "EciLocate",
        "0 cycles",
        "every cycle",
        &[
            "host/adapter/tests/eci/translate.rs::each_line_has_the_name_of_the_plan_both_ways",
            "host/adapter/tests/eci.rs::every_way_takes_two_or_three_cycles_and_a_beat_per_cycle",
        ],
    ),
    promise(
        "host/adapter/eci/translate.rs",
        "EciPlace",
        "0 cycles",
        "every cycle",
        &[
            "host/adapter/tests/eci/translate.rs::each_line_has_the_name_of_the_plan_both_ways",
            "host/adapter/tests/eci.rs::every_way_takes_two_or_three_cycles_and_a_beat_per_cycle",
        ],
    ),
    promise(
        "host/adapter/eci/write.rs",
        "EciWrite",
        "1 cycle from `w` to `writeback`",
        "1 beat/cycle over both slices",
        &[
            "host/adapter/tests/eci.rs::every_way_takes_two_or_three_cycles_and_a_beat_per_cycle",
            "host/adapter/tests/eci.rs::writes_of_whole_lines_reach_the_card_before_their_answer",
        ],
    ),
    promise(
        "host/adapter/eci/recall.rs",
        "EciRecall",
        "1 cycle from `load` to `load_out`, `recall` to `lci` or `ack`, `lcia` to `ack` and `ul`; 2 from a",
        "1 of each per cycle; what meets something else of its line takes two cycles more",
        &[
            "host/adapter/tests/eci_recall.rs::every_way_keeps_its_latency_with_one_of_each_per_cycle",
            "host/adapter/tests/eci_recall.rs::what_meets_in_neighbouring_cycles_is_as_one_after_the_other",
            "host/adapter/tests/eci.rs::every_way_takes_two_or_three_cycles_and_a_beat_per_cycle",
            "host/adapter/tests/eci.rs::a_recall_that_meets_a_load_is_acknowledged_clean",
        ],
    ),
    promise(
        "host/adapter/cxl/host.rs",
        "CxlHost",
        "1 cycle",
        "1 load and 1 writeback/cycle",
        &[
            "host/adapter/tests/cxl.rs::every_way_takes_two_cycles_and_an_item_per_cycle",
            "host/adapter/tests/cxl.rs::every_request_gets_what_the_tables_say",
        ],
    ),
    promise(
        "host/adapter/cxl/card.rs",
        "CxlCard",
        "0 cycles",
        "1 response of each kind, 1 snoop and 1 acknowledgement/cycle",
        &[
            "host/adapter/tests/cxl.rs::every_way_takes_two_cycles_and_an_item_per_cycle",
            "host/adapter/tests/cxl.rs::a_conflict_is_answered_behind_completions_and_a_snoop_leaves_behind_fills",
        ],
    ),
    promise(
        "host/adapter/pcie/deadline.rs",
        "Deadline",
        "1 cycle from `load` to `load_out`, 0 from `fill` to `answer`",
        "1 load and 1 answer/cycle",
        &[
            "host/adapter/tests/pcie.rs::every_way_takes_three_cycles_and_an_item_per_cycle",
            "host/adapter/tests/pcie.rs::a_read_that_the_card_does_not_answer_is_answered",
        ],
    ),
    promise(
        "host/adapter/pcie/requests.rs",
        "Requests",
        "1 cycle",
        "1 write or recall/cycle",
        &[
            "host/adapter/tests/pcie.rs::every_way_takes_three_cycles_and_an_item_per_cycle",
            "host/adapter/tests/pcie.rs::stores_come_together_and_recalls_bring_what_is_there",
        ],
    ),
    promise(
        "host/adapter/pcie/gather.rs",
        "Gather",
        "2 cycles to `writeback` and `ack`, 3 to `b`",
        "1 request/cycle, also of one line",
        &[
            "host/adapter/tests/pcie.rs::gathering_takes_two_cycles_and_its_answer_a_third",
            "host/adapter/tests/pcie.rs::requests_about_one_line_come_back_to_back",
            "host/adapter/tests/pcie.rs::every_way_takes_three_cycles_and_an_item_per_cycle",
            "host/adapter/tests/pcie.rs::stores_come_together_and_recalls_bring_what_is_there",
        ],
    ),
    promise(
        "csr/mod.rs",
        "RegisterFile",
        "3 cycles from request to response",
        "1 request per cycle; a command that fetches a table entry takes 9",
        &[
            "csr/tests.rs::every_register_resets_to_its_value_and_answers_in_three_cycles",
            "csr/tests.rs::accepts_one_request_per_cycle",
            "csr/tests.rs::the_request_behind_a_fetch_is_taken_nine_cycles_after_it",
        ],
    ),
];
