-- Rows as version 0001 wrote them.
INSERT INTO revision (commit_id, stage, code, reason) VALUES ('abc', 'guarded', 'M0801', 'no budget');
INSERT INTO plan (id, parent, commit_id, made_ms, document) VALUES ('p-1', NULL, 'abc', 1800000000000, '{}');
UPDATE target SET plan_id = 'p-1';
INSERT INTO machine (id, name, generation, claimed_by) VALUES ('01010101-0101-0101-0101-010101010101', 'm1', 2, 'p-1');
INSERT INTO binding (id, deployment, slot, machine, state, made_by)
    VALUES ('02020202-0202-0202-0202-020202020202', 'web', 0, '01010101-0101-0101-0101-010101010101', 'leaving', 'p-1');
INSERT INTO binding_disk (binding, disk) VALUES ('02020202-0202-0202-0202-020202020202', 'wwn:0x5002538f');
INSERT INTO binding_address (binding, address) VALUES ('02020202-0202-0202-0202-020202020202', '10.0.0.1');
INSERT INTO inventory (digest, body) VALUES ('d1', '{"uuid": null, "serial": "S1", "vendor": "", "product": "",
    "firmware": {"kind": "uefi", "version": "1"}, "cpu": {"arch": "amd64", "model": "x", "cores": 1, "threads": 1},
    "memory_bytes": 1024, "disks": [], "nics": [], "bmc": null}');
INSERT INTO agent VALUES ('r1', '03030303-0303-0303-0303-030303030303', 3, 1800000000000, 1800000000000, 1800000000000);
INSERT INTO fact (agent, sequence, agent_boot, received_ms, machine, kind, slot, generation, attempt, body, inventory) VALUES
    ('r1', 1, '03030303-0303-0303-0303-030303030303', 1800000000000, '01010101-0101-0101-0101-010101010101',
     'inventory', 'd1', 1, 1, '{"at": "2027-01-15T08:00:00.000Z", "body": {"kind": "inventory", "inventory": null, "job":
     {"machine": "01010101-0101-0101-0101-010101010101", "generation": 1, "attempt": 1}}}', 'd1'),
    ('r1', 2, '03030303-0303-0303-0303-030303030303', 1800000000000, '01010101-0101-0101-0101-010101010101',
     'step', '04040404-0404-0404-0404-040404040404/failed/unpack', 2, 1, '{"at": "2027-01-15T08:00:00.000Z", "body":
     {"kind": "step", "job": {"machine": "01010101-0101-0101-0101-010101010101", "generation": 2, "attempt": 1},
     "boot_id": "04040404-0404-0404-0404-040404040404", "step": "unpack",
     "state": {"failed": {"code": "STEP_FAILED", "error": "x"}}}}', NULL);
INSERT INTO restored (incarnation, agent, evidence) SELECT number, 'r1', 'r1 knows more' FROM incarnation;
INSERT INTO order_issued (machine, incarnation, generation, number, lane, plan_id, at_ms, body)
    SELECT '01010101-0101-0101-0101-010101010101', number, 2, 1, 'power', 'p-1', 1800000000000, json_build_object(
        'machine', '01010101-0101-0101-0101-010101010101',
        'incarnation', json_build_object('number', number, 'uuid', uuid), 'generation', 2, 'number', 1,
        'deadline', '2027-01-15T08:00:00.000Z', 'cause', 'x', 'action', json_build_object('power', 'soft-off'))
    FROM incarnation;
INSERT INTO write_start (nonce, machine, generation, attempt, boot_id, at_ms) VALUES
    ('05050505-0505-0505-0505-050505050505', '01010101-0101-0101-0101-010101010101', 2, 1,
     '04040404-0404-0404-0404-040404040404', 1800000000000);
INSERT INTO permit (machine, generation, need, at_ms) VALUES
    ('01010101-0101-0101-0101-010101010101', 2, '{"rack": "r1", "erases": "web"}', 1800000000000);
INSERT INTO approval (plan_id, wipe_set, who, why) VALUES ('p-1', 'w-1', 'ada', 'because');
INSERT INTO audit (what, subject, who, why) VALUES ('plan-adopted', 'p-1', 'ada', 'because');
INSERT INTO work (kind, key, due_ms) VALUES ('fleet', '', 0), ('machine', '01010101-0101-0101-0101-010101010101', 0);
