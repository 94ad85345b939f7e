// A conversation: who is there, what was said, and where one writes.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { empty } from '../core/conversation.js';
import { tagOf } from '../core/i18n.js';
import { peerOf } from '../core/peer.js';
import { nameOf, nameOfUser } from '../core/store.js';
import { Banner } from './banner.js';
import { Composer } from './composer.js';
import { History } from './history.js';
import { Avatar, Icon, isNarrow } from './parts.js';

export function Chat(context) {
  const { state, t, act, go, show, sessionId, preferences } = context;
  const peer = peerOf(state.me.user_id, sessionId);
  const conv = state.conversations[sessionId] ?? empty(sessionId, peer);
  const name = nameOf(state, conv);
  const isGroup = peer.group !== undefined;
  const isSelf = peer.user === state.me.user_id;
  const title = useRef(null);
  const [written, setWritten] = useState(0);
  const narrow = isNarrow();
  const wasOnline = state.link.state === 'online';

  // Also when the connection is there, or back: what could not be asked for is asked for now.
  useEffect(() => {
    if (wasOnline && state.synced) act.open(sessionId);
  }, [sessionId, wasOnline && state.synced]);
  useEffect(() => {
    if (narrow) title.current.focus({ preventScroll: true });
  }, []);

  const leave = () => go('#/chats');
  const info = () => show(isGroup ? { kind: 'group', groupId: peer.group } : { kind: 'person', userId: peer.user });
  function send(content) {
    act.send(sessionId, peer, content);
    setWritten(written + 1);
  }
  const isMember = !isGroup || !state.synced || state.myGroups.includes(peer.group);
  const isBlocked = !isGroup && state.blocked.includes(peer.user);
  return html`<div class="chat" data-session=${sessionId}>
    <header class="chat-head">
      <button type="button" class="button icon-button chat-back" aria-label=${t('app.back')} onClick=${leave}>
        <${Icon} name="back" />
      </button>
      <${Avatar} name=${name} seed=${peer.group ?? peer.user} group=${isGroup}
        status=${isGroup || isSelf ? undefined : state.presence[peer.user]} />
      <div class="chat-title ${isSelf ? '' : 'opens'}" onClick=${() => isSelf || info()}>
        <${narrow ? 'h1' : 'h2'} class="chat-name" dir="auto" tabindex="-1" ref=${title}>${name}<//>
        <p class="chat-sub" aria-live="polite"><${Below} state=${state} t=${t} conv=${conv} isSelf=${isSelf} /></p>
      </div>
      ${!isSelf && html`<button type="button" class="button icon-button" aria-label=${t('chat.info')} title=${t('chat.info')}
          onClick=${info}>
        <${Icon} name="info" />
      </button>`}
    </header>
    ${narrow && html`<${Banner} t=${t} link=${state.link} act=${act} />`}
    <${History} ...${context} conv=${conv} name=${name} written=${written}
      lang=${tagOf(preferences.get().lang)} />
    ${!isMember && html`<p class="chat-note">${t('chat.not_member')}${' '}
      <button type="button" class="link" onClick=${() => show({ kind: 'join', groupId: peer.group })}>${t('groups.join_do')}</button></p>`}
    ${isBlocked && html`<p class="chat-note">${t('chat.is_blocked', { name })}${' '}
      <button type="button" class="link" onClick=${() => act.block(peer.user, false)}>${t('friends.unblock')}</button></p>`}
    ${isMember && !isBlocked && html`<${Composer} t=${t} name=${name} draft=${conv.draft} focus=${!narrow}
      onSend=${send}
      onTyping=${() => !isSelf && act.typing(sessionId)}
      onDraft=${(draft) => act.draft(sessionId, draft)}
      onLeave=${leave} />`}
  </div>`;
}

/** Under the name: who types, or what there is to say otherwise. */
function Below({ state, t, conv, isSelf }) {
  const typing = Object.keys(state.typing[conv.id] ?? {}).map((id) => nameOfUser(state, Number(id)));
  if (typing.length) {
    const key = ['one', 'two'][typing.length - 1] ?? 'many';
    return html`<span class="typing"><span class="typing-dots" aria-hidden="true"><i></i><i></i><i></i></span>
      ${t(`chat.typing_${key}`, { name: typing[0], other: typing[1] })}</span>`;
  }
  if (isSelf) return t('chat.self');
  if (conv.peer.group === undefined) {
    const status = state.presence[conv.peer.user];
    if (status !== undefined) return t(`status.${status}`);
    return state.synced && !state.friends.includes(conv.peer.user) ? t('chat.no_friend') : '';
  }
  const group = state.groups[conv.peer.group];
  const members = group?.members ? t('chat.members', { n: group.members.length }) : '';
  return [members, group?.description].filter(Boolean).join(' · ');
}
