alter table plan_change add column next_plan text;
comment on column plan_change.next_plan is 'Asked for while the change was over but for what it leaves behind elsewhere; begun when nothing is left there.';
