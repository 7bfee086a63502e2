export { FactFeed, type FactFeedParts, type Following } from './fact-feed.js';
export { FactLog, type FactLogParts, type MissedFacts, missedMax } from './fact-log.js';
export { RealtimeModule } from './realtime.module.js';
export { roomName } from './rooms.js';
