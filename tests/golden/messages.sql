-- Messages whose content is JSON: what DecodeLogicalDecodingMessageContent makes of them, and EventRouter of that.
--- setup
create table plain(id int primary key, v text);
--- rows
insert into plain values (1, 'a') on conflict do nothing;
--- stream
select pg_logical_emit_message(true, 'prefix', '{"id": 1, "aggregateid": "k1", "aggregatetype": "order", "type": "made", "payload": "plain text"}');
select pg_logical_emit_message(false, 'other', '{"id": "a2", "aggregateid": "k2", "aggregatetype": "order", "type": null, "payload": {"n": 3000000000, "deep": {"x": 1.5, "gone": null}, "list": [1, 2], "none": [], "on": true}}');
select pg_logical_emit_message(true, 'prefix', '{"id": "a3", "aggregateid": 7, "aggregatetype": "custom\u0065r", "type": "é😀 \"q\"", "payload": "{\"a\": 1, \"b\": {\"c\": [\"x\", null]}}", "rows": [{"a": 1}, {"a": 2}, null]}');
select pg_logical_emit_message(true, 'prefix', '{"payload": null, "id": "a4", "type": "t", "aggregateid": "", "aggregatetype": "order", "empty": {}, "nested": [["x"], ["y", "z"]]}');
select pg_logical_emit_message(true, 'prefix', '{"id": "a5", "aggregateid": "k5", "aggregatetype": "order", "type": "twice", "type": "last", "payload": "  "}');
select pg_logical_emit_message(true, 'prefix', '{"id": "a6", "aggregateid": "k6", "aggregatetype": "order", "type": "t", "payload": -1e3, "few": 12345678901}');
begin; insert into plain values (2, 'b'); select pg_logical_emit_message(true, 'prefix', '{"id": "a7", "aggregateid": "k7", "aggregatetype": "order", "type": "t", "payload": "in between"}'); update plain set v = 'c' where id = 2; commit;
