// The dialogs that the lists and conversations open.

import { html, useEffect, useState } from '../vendor/preact.js';
import { chat, invitation } from '../core/router.js';
import { nameOfUser } from '../core/store.js';
import { Confirm, Dialog, FormDialog } from './dialog.js';
import { Avatar, Icon } from './parts.js';

export function Dialogs(context) {
  const kinds = {
    new: NewChat, add: AddFriend, person: Person, create: CreateGroup, join: JoinGroup, group: GroupInfo, invite: Invite,
    confirm: ({ t, dialog, onClose }) => html`<${Confirm} t=${t} ...${dialog} onClose=${onClose} />`,
  };
  const Kind = kinds[context.dialog.kind];
  return html`<${Kind} key=${context.dialog.kind} ...${context} />`;
}

function NewChat({ state, t, act, go, show, onClose }) {
  const friends = [...state.friends].sort((a, b) => nameOfUser(state, a).localeCompare(nameOfUser(state, b)));
  const start = (userId) => {
    onClose();
    go(chat(act.sessionOf({ user: userId })));
  };
  return html`<${Dialog} t=${t} title=${t('chats.new')} onClose=${onClose}>
    <div class="dialog-choices">
      <button type="button" class="button" onClick=${() => show({ kind: 'add' })}><${Icon} name="friends" />${t('friends.add')}</button>
      <button type="button" class="button" onClick=${() => show({ kind: 'create' })}><${Icon} name="groups" />${t('groups.create')}</button>
      <button type="button" class="button" onClick=${() => show({ kind: 'join' })}><${Icon} name="link" />${t('groups.join')}</button>
    </div>
    <ul class="rows dialog-rows">
      ${[...friends, state.me.user_id].map((id) => html`<li key=${id}>
        <button type="button" class="row-link" onClick=${() => start(id)}>
          <${Avatar} name=${nameOfUser(state, id)} seed=${id} status=${id === state.me.user_id ? undefined : state.presence[id]} />
          <span class="row-main"><span class="row-name">${nameOfUser(state, id)}</span>
            ${id === state.me.user_id && html`<span class="row-text">${t('chat.self')}</span>`}</span>
        </button></li>`)}
    </ul>
  <//>`;
}

function AddFriend({ state, t, act, go, onClose }) {
  const fields = [{
    name: 'name', label: t('login.username'), required: true, maxlength: 64, autocomplete: 'off', autocapitalize: 'none', spellcheck: false,
  }];
  async function add({ name }) {
    const user = await act.find(name.trim());
    if (!user) throw t('friends.nobody', { name: name.trim() });
    if (user.user_id === state.me.user_id) throw t('friends.thats_you');
    await act.addFriend(user.user_id);
    act.toast('done', 'friends.added', { name: user.nickname });
    onClose();
    go(chat(act.sessionOf({ user: user.user_id })));
  }
  return html`<${FormDialog} t=${t} title=${t('friends.add')} lead=${t('friends.add_lead')} fields=${fields}
    action=${t('friends.add_do')} onSubmit=${add} onClose=${onClose} />`;
}

function Person({ state, t, act, go, show, dialog, onClose }) {
  const { userId } = dialog;
  const name = nameOfUser(state, userId);
  const isFriend = state.friends.includes(userId);
  const isBlocked = state.blocked.includes(userId);
  const status = state.presence[userId];
  const ask = (title, lead, onYes) => show({ kind: 'confirm', title, lead, action: title, onYes });
  async function befriend() {
    await act.attempt(() => act.addFriend(userId));
    onClose();
  }
  return html`<${Dialog} t=${t} title=${name} onClose=${onClose}>
    <div class="profile">
      <${Avatar} name=${name} seed=${userId} size="large" status=${status} />
      <div class="row-main">
        <span class="row-name">${status === undefined ? t('chat.no_friend') : t(`status.${status}`)}</span>
        <span class="row-text">${t('settings.number', { id: userId })}</span>
      </div>
    </div>
    <div class="dialog-choices">
      <button type="button" class="button primary" onClick=${() => { onClose(); go(chat(act.sessionOf({ user: userId }))); }}>
        <${Icon} name="chats" />${t('friends.message', { name })}</button>
      ${!isFriend && html`<button type="button" class="button" onClick=${befriend}>${t('friends.add')}</button>`}
      ${isFriend && html`<button type="button" class="button" onClick=${() => ask(t('friends.remove'), t('friends.remove_sure', { name }), () => act.removeFriend(userId))}>${t('friends.remove')}</button>`}
      ${isBlocked
        ? html`<button type="button" class="button" onClick=${() => { onClose(); act.block(userId, false); }}>${t('friends.unblock')}</button>`
        : html`<button type="button" class="button danger" onClick=${() => ask(t('friends.block'), t('friends.block_sure', { name }), () => act.block(userId, true))}>${t('friends.block')}</button>`}
    </div>
  <//>`;
}

function CreateGroup({ t, act, go, show, onClose }) {
  const fields = [
    { name: 'name', label: t('groups.name'), required: true, maxlength: 64, autocomplete: 'off' },
    { name: 'description', label: t('groups.description'), maxlength: 512, autocomplete: 'off' },
  ];
  async function create({ name, description }) {
    const groupId = await act.createGroup(name.trim(), description.trim());
    onClose();
    go(chat(`grp_${groupId}`));
    show({ kind: 'invite', groupId });
  }
  return html`<${FormDialog} t=${t} title=${t('groups.create')} lead=${t('groups.create_lead')} fields=${fields}
    action=${t('groups.create_do')} onSubmit=${create} onClose=${onClose} />`;
}

function JoinGroup({ state, t, act, go, dialog, onClose }) {
  const [group, setGroup] = useState(state.groups[dialog.groupId]);
  const online = state.link.state === 'online';
  useEffect(() => {
    if (dialog.groupId && online && !group?.name) act.group(dialog.groupId).then(setGroup, () => {});
  }, [online]);
  const fields = dialog.groupId ? [] : [{
    name: 'id', label: t('groups.number'), required: true, inputmode: 'numeric', pattern: '[0-9]{1,15}', autocomplete: 'off',
  }];
  async function join({ id }) {
    const groupId = dialog.groupId ?? Number(id);
    if (!state.myGroups.includes(groupId)) {
      await act.joinGroup(groupId);
      const { name } = await act.group(groupId);
      act.toast('done', 'groups.joined', { name });
    }
    onClose();
    go(chat(`grp_${groupId}`));
  }
  const lead = dialog.groupId
    ? t('groups.join_sure', { name: group?.name ?? `#${dialog.groupId}` })
    : t('groups.join_lead');
  return html`<${FormDialog} t=${t} title=${t('groups.join')} lead=${lead} fields=${fields}
    action=${t('groups.join_do')} onSubmit=${join} onClose=${onClose} />`;
}

function GroupInfo({ state, t, act, go, show, dialog, onClose }) {
  const { groupId } = dialog;
  const group = state.groups[groupId] ?? {};
  useEffect(() => {
    act.members(groupId).catch(() => {});
  }, [groupId]);
  const members = [...(group.members ?? [])].sort((a, b) => nameOfUser(state, a).localeCompare(nameOfUser(state, b)));
  const leave = () => show({
    kind: 'confirm', title: t('groups.leave'), lead: t('groups.leave_sure', { name: group.name }), action: t('groups.leave_do'),
    onYes: async () => (await act.leaveGroup(groupId)) && go('#/chats'),
  });
  return html`<${Dialog} t=${t} title=${group.name ?? `#${groupId}`} lead=${group.description} onClose=${onClose}>
    <p class="hint">${t('groups.id', { id: groupId })}</p>
    <div class="dialog-choices">
      <button type="button" class="button primary" autofocus onClick=${() => show({ kind: 'invite', groupId })}><${Icon} name="plus" />${t('groups.invite')}</button>
      <button type="button" class="button danger" onClick=${leave}>${t('groups.leave')}</button>
    </div>
    <h3 class="list-part">${t('chat.members', { n: members.length })}</h3>
    <ul class="rows dialog-rows">
      ${members.map((id) => html`<li key=${id}><${Member} state=${state} t=${t} id=${id} show=${show} isCreator=${id === group.creator_id} /></li>`)}
    </ul>
  <//>`;
}

function Member({ state, t, id, show, isCreator }) {
  const isMe = id === state.me.user_id;
  const name = nameOfUser(state, id);
  const shown = html`<${Avatar} name=${name} seed=${id} status=${state.presence[id]} />
    <span class="row-main"><span class="row-name">${isMe ? `${name} (${t('app.you')})` : name}</span></span>
    ${isCreator && html`<span class="tag">${t('groups.creator')}</span>`}`;
  if (isMe) return html`<div class="row">${shown}</div>`;
  return html`<button type="button" class="row-link" onClick=${() => show({ kind: 'person', userId: id })}>${shown}</button>`;
}

function Invite({ state, t, act, dialog, onClose }) {
  const { groupId } = dialog;
  const group = state.groups[groupId] ?? {};
  const [sent, setSent] = useState([]);
  const link = `${location.origin}/${invitation(groupId)}`;
  const friends = state.friends.filter((id) => !group.members?.includes(id));
  function invite(userId) {
    const peer = { user: userId };
    act.send(act.sessionOf(peer), peer, t('groups.invite_text', { name: group.name, link }));
    act.toast('done', 'groups.invited', { name: nameOfUser(state, userId) });
    setSent([...sent, userId]);
  }
  const copy = () => act.attempt(() => navigator.clipboard.writeText(link), 'groups.copied');
  return html`<${Dialog} t=${t} title=${t('groups.invite')} lead=${t('groups.invite_lead')} onClose=${onClose}>
    <div class="invite-link">
      <input type="text" readonly value=${link} aria-label=${t('groups.copy')} onFocus=${(event) => event.target.select()} />
      <button type="button" class="button" onClick=${copy}>${t('groups.copy')}</button>
    </div>
    <ul class="rows dialog-rows">
      ${friends.map((id) => html`<li key=${id} class="row">
        <${Avatar} name=${nameOfUser(state, id)} seed=${id} status=${state.presence[id]} />
        <span class="row-main"><span class="row-name">${nameOfUser(state, id)}</span></span>
        <button type="button" class="button" disabled=${sent.includes(id)} onClick=${() => invite(id)}
          aria-label=${`${t('groups.invite_do')} ${nameOfUser(state, id)}`}>
          ${sent.includes(id) ? html`<${Icon} name="tick" />` : t('groups.invite_do')}</button>
      </li>`)}
    </ul>
  <//>`;
}
