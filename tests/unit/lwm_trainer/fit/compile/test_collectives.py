"""Bytes on the wire against arithmetic by hand, of a program small enough to be read."""

from lwm_trainer.fit.compile.collectives import CollectiveTraffic, collective_traffic
from lwm_trainer.fit.compile.hlo import HloProgram

TEXT = """HloModule step, is_scheduled=true

%all-reduce-scatter.1 (input: bf16[64,8]) -> bf16[16,8] {
  %input = bf16[64,8]{1,0} parameter(0)
  ROOT %all-reduce.9 = bf16[64,8]{1,0} all-reduce(%input), replica_groups={{0,2,4,6},{1,3,5,7}}, to_apply=%add
}

%layers_body (p: (s32[], bf16[64,8])) -> (s32[], bf16[64,8]) {
  %p = (s32[], bf16[64,8]{1,0}) parameter(0)
  %one = s32[] constant(1)
  %i = s32[] get-tuple-element(%p), index=0
  %gather.1 = bf16[64,8]{1,0} all-gather(%x), replica_groups=[2,4]<=[4,2]T(1,0), dimensions={0}
  %sum.1 = bf16[4,8]{1,0} all-reduce(%y), replica_groups=[4,2]<=[8], to_apply=%add
  %scatter.1 = bf16[16,8]{1,0} fusion(%z), kind=kCustom, calls=%all-reduce-scatter.1
  %next = s32[] add(%i, %one)
  ROOT %out = (s32[], bf16[64,8]{1,0}) tuple(%next, %gather.1)
}

%layers_cond (p: (s32[], bf16[64,8])) -> pred[] {
  %three = s32[] constant(3)
  %p.1 = (s32[], bf16[64,8]{1,0}) parameter(0)
  %i.1 = s32[] get-tuple-element(%p.1), index=0
  ROOT %less = pred[] compare(%i.1, %three), direction=LT
}

%pairs_body (p: (u32[], f32[10])) -> (u32[], f32[10]) {
  %p.5 = (u32[], f32[10]{0}) parameter(0)
  %two = u32[] constant(2)
  %i.5 = u32[] get-tuple-element(%p.5), index=0
  %permute.5 = (f32[10]{0}, f32[10]{0}, u32[], u32[]) collective-permute-start(%q), source_target_pairs={{0,2},{2,0}}
  %next.5 = u32[] add(%i.5, %two)
  ROOT %out.5 = (u32[], f32[10]{0}) tuple(%next.5, %q)
}

%pairs_cond (p: (u32[], f32[10])) -> pred[] {
  %eight = u32[] constant(8)
  %p.6 = (u32[], f32[10]{0}) parameter(0)
  %i.6 = u32[] get-tuple-element(%p.6), index=0
  ROOT %less.6 = pred[] compare(%i.6, %eight), direction=LT
}

%ring_body (p: (s32[], s32[], bf16[100])) -> (s32[], s32[], bf16[100]) {
  %p.2 = (s32[], s32[], bf16[100]{0}) parameter(0)
  %permute.1 = (bf16[100]{0}, bf16[100]{0}, u32[], u32[]) collective-permute-start(%k), source_target_pairs={{0,4},{4,0},{1,5},{5,1}}
  ROOT %out.2 = (s32[], s32[], bf16[100]{0}) tuple(%n, %last, %k)
}

%ring_cond (p: (s32[], s32[], bf16[100])) -> pred[] {
  %p.3 = (s32[], s32[], bf16[100]{0}) parameter(0)
  %i.3 = s32[] get-tuple-element(%p.3), index=0
  %last.3 = s32[] get-tuple-element(%p.3), index=1
  ROOT %less.3 = pred[] compare(%i.3, %last.3), direction=LT
}

%home_near (p: f32[6]) -> f32[6] {
  %near = f32[6]{0} collective-permute(%g), source_target_pairs={{0,4}}
}

%home_far (p: f32[6]) -> f32[6] {
  %far.1 = f32[6]{0} collective-permute(%g), source_target_pairs={{0,4}}
  %far.2 = f32[6]{0} collective-permute(%g), source_target_pairs={{0,4}}
}

ENTRY %main (a: f32[8]) -> f32[8] {
  %layers = (s32[], bf16[64,8]{1,0}) while(%t), condition=%layers_cond, body=%layers_body
  %pairs = (u32[], f32[10]{0}) while(%t), condition=%pairs_cond, body=%pairs_body
  %hops = (s32[], s32[], bf16[100]{0}) while(%t), condition=%ring_cond, body=%ring_body
  %home = f32[6]{0} conditional(%which, %g, %g), branch_computations={%home_near, %home_far}
  %all = f32[2]{0} all-reduce(%norm), replica_groups=mesh['a'=4,'b'=2] {'a','b'}, to_apply=%add
}
"""


def test_every_kind_is_counted_as_often_as_its_loops_run() -> None:
    mesh = {"dp": 1, "fsdp": 2, "ring": 2, "ulysses": 1, "tp": 2}  # device = 4 fsdp + 2 ring + tp
    assert collective_traffic(HloProgram(TEXT), mesh) == (
        CollectiveTraffic(kind="all-gather", axes="fsdp+ring", dtype="bf16", times=3, bytes=3 * 1024 * 3 // 4, largest=1024 * 3 // 4),
        CollectiveTraffic(kind="reduce-scatter", axes="fsdp+ring", dtype="bf16", times=3, bytes=3 * 1024 * 3 // 4, largest=1024 * 3 // 4),
        # 1 hop of 200 bytes, as the ring has 2 ranks.
        CollectiveTraffic(kind="collective-permute", axes="fsdp", dtype="bf16", times=1, bytes=200, largest=200),
        CollectiveTraffic(kind="all-reduce", axes="tp", dtype="bf16", times=3, bytes=3 * 2 * 64 // 2, largest=64),
        # 8 turns in steps of 2.
        CollectiveTraffic(kind="collective-permute", axes="ring", dtype="f32", times=4, bytes=4 * 40, largest=40),
        # The longer of two ways home.
        CollectiveTraffic(kind="collective-permute", axes="fsdp", dtype="f32", times=2, bytes=2 * 24, largest=24),
        CollectiveTraffic(kind="all-reduce", axes="fsdp+ring+tp", dtype="f32", times=1, bytes=2 * 8 * 7 // 8, largest=14),
    )
