// Pictures of the client for the documents: people who have something to say to each other.

import { befriend, nameOf, openChat, person, say, sees, signUp, until, becomes } from '../people.mjs';

export async function pictures(world) {
  const shot = ({ page }, name) => page.screenshot({ path: `${world.pictures}/${name}.png` });
  void [nameOf, befriend, openChat, say, sees, signUp, until, becomes, shot, person];
}
