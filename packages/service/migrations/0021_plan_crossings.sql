alter table plan_change drop constraint plan_change_state_check;
alter table plan_change add constraint plan_change_state_check check (state in (
  'wanted', 'changing', 'making', 'copying', 'announcing', 'leaving'));
alter table plan_change add column other_cluster_id text;
comment on column plan_change.other_cluster_id is 'Where the plan changes between a cluster of its own and a shared one: until the data is over the cluster that it goes to, then the one to be left.';
comment on column plan_change.state is 'wanted; changing: the engine was asked for it; making: the other cluster is being made; copying: the database can only be read and is copied; announcing: the add-on has its plan, and the platform is to be told the config vars; leaving: nothing of the add-on is to be left in the other cluster.';
