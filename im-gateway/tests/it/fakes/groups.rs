//! im-group, as far as the gateway asks it.

use std::collections::BTreeSet;

use mpim_proto::{
    CreateGroupReq, CreateGroupResp, GetGroupInfoReq, GetGroupInfoResp, GetGroupMembersReq,
    GetGroupMembersResp, GetUserGroupsReq, GetUserGroupsResp, JoinGroupReq, JoinGroupResp,
    LeaveGroupReq, LeaveGroupResp, group_service,
};
use mprpc::{Context, Status};

use super::{Fakes, invalid, ok};

impl group_service::Server for Fakes {
    async fn create_group(
        &self,
        _: &Context,
        req: CreateGroupReq,
    ) -> Result<CreateGroupResp, Status> {
        let mut state = self.state();
        let group_id = state.groups.len() as i64 + 1;
        state.groups.insert(group_id, BTreeSet::from([req.creator_id]));
        Ok(CreateGroupResp { result: ok(), group_id })
    }

    async fn join_group(&self, _: &Context, req: JoinGroupReq) -> Result<JoinGroupResp, Status> {
        let mut state = self.state();
        let result = match state.groups.get_mut(&req.group_id) {
            None => Some(mpim_proto::Result::not_found("group not found")),
            Some(members) => {
                if members.insert(req.user_id) {
                    ok()
                } else {
                    invalid("already in group")
                }
            }
        };
        Ok(JoinGroupResp { result })
    }

    async fn leave_group(&self, _: &Context, req: LeaveGroupReq) -> Result<LeaveGroupResp, Status> {
        let mut state = self.state();
        let members = state.groups.get_mut(&req.group_id);
        let left = members.is_some_and(|members| members.remove(&req.user_id));
        Ok(LeaveGroupResp { result: if left { ok() } else { invalid("not in group") } })
    }

    async fn get_group_members(
        &self,
        _: &Context,
        req: GetGroupMembersReq,
    ) -> Result<GetGroupMembersResp, Status> {
        let state = self.state();
        Ok(match state.groups.get(&req.group_id) {
            Some(members) => GetGroupMembersResp {
                result: ok(),
                member_ids: members.iter().copied().collect(),
                ..GetGroupMembersResp::default()
            },
            None => GetGroupMembersResp {
                result: Some(mpim_proto::Result::not_found("group not found")),
                ..GetGroupMembersResp::default()
            },
        })
    }

    async fn get_user_groups(
        &self,
        _: &Context,
        req: GetUserGroupsReq,
    ) -> Result<GetUserGroupsResp, Status> {
        let state = self.state();
        let groups = state.groups.iter().filter(|(_, members)| members.contains(&req.user_id));
        Ok(GetUserGroupsResp { result: ok(), group_ids: groups.map(|(id, _)| *id).collect() })
    }

    async fn get_group_info(
        &self,
        _: &Context,
        req: GetGroupInfoReq,
    ) -> Result<GetGroupInfoResp, Status> {
        let GetGroupInfoReq { group_id } = req;
        if !self.state().groups.contains_key(&group_id) {
            let result = Some(mpim_proto::Result::not_found("group not found"));
            return Ok(GetGroupInfoResp { result, group_info: None });
        }
        let group_info = Some(mpim_proto::GroupInfo {
            group_id,
            group_name: format!("group {group_id}"),
            creator_id: 1,
            created_at: 1_790_000_000_123,
            ..mpim_proto::GroupInfo::default()
        });
        Ok(GetGroupInfoResp { result: ok(), group_info })
    }
}
