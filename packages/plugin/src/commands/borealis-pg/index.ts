import BorealisPgInfo from './info.js';

/** The bare topic does what `borealis-pg:info` does. */
export default class BorealisPg extends BorealisPgInfo {
  static override examples = ['$ heroku borealis-pg --app sushi', '$ heroku borealis-pg --addon borealis-pg-hex-12345'];
}
