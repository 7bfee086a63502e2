/**
 * Words that passwords are most often made of, without digits and signs: the top of the public-domain list of the
 * Openwall project (password.lst, 2011), and words of clinics. They lower the score of a password; see `password.ts`.
 */
export const commonWords: ReadonlySet<string> = new Set(
  `
  aaron abby abcdefg abigail access account adam adidas admin administrator adrian alaska albert alex alexander
  alexis alfred alice allison alpha alpine amanda amber andrea andrew andy angel angela angie animal anita anna
  annette antares anthony apache apollo apple apples aragorn archie arizona arnold arsenal arthur asdfasdf asdfg
  asdfghjk ashley athena august austin autumn avalon avenger awesome baby babydoll badger bailey bamboo banana bandit
  barbara barney barry baseball basket basketball batman beagle beaner bear bears beast beatles beatrice beautiful
  beaver beavis bella benjamin benny bertha bigben bigdog biggles bigmac bigman billy bingo binky biology bishop
  biteme black blazer blonde blondie blue bluebird bluefish bobby bobcat bonnie booger boogie boomer boris bosco
  boston bradley brandon brandy braves brazil brenda brian bright bruce bruno brutus bubba bubbles buddy buffalo
  buffy bulldog bullet buster cactus caitlin calvin camaro camera canada candy captain carlos carmen caroline carrie
  casey casper chance changeme charity charles charlie charlotte cheese chelsea cheryl chicken chloe chocolate chris
  christin cindy claire clancy clark claudia clinic clinical cocacola coffee compaq compton computer connect conrad
  control cookie cooper cooter copper cosmos cougar cowboy cracker crawford cricket cruise crystal curtis cyclone
  dakota dallas dance daniel danny david debbie default delta dennis dental dentist diablo diamond digital disney
  doctor dollars dolphin donald dookie dorothy douglas dragon dreamer dreams duckie dundee eagles eddie edward eeyore
  einstein elephant elizabeth elvis emily enter eric europe explorer faith falcon family farmer felix ferrari
  firebird fisher fishing flamingo fletcher flipper flower fluffy football foxtrot france francis franklin freddy
  freedom friday friend friends frodo froggy gabriel galaxy gambit gandalf garden garfield garnet genesis genius
  george giants ginger gizmo global godzilla golfer goober goodluck goofy grace green greenday groovy grover guest
  guitar hacker hammer happy harley harry hazel health healthcare heather hector hello helpme hendrix henry herbert
  herman hockey homer honda honey horizon hornet horses hospital house houston howard hunter icecream iceman iguana
  iloveyou imagine impala indiana indigo insane inside internet irish ironman island jack jake james janice jasmin
  jasmine jason jasper jeanette jeanne jeffrey jenifer jenni jennifer jeremy jerry jessica jesus jewels joey john
  joker jonathan jordan joseph joshua julian julie junior jupiter justice justin karen katherine kathleen keith kelly
  kelsey kennedy kermit kevin killer kitty knicks knight koala lacrosse lakers larry lauren leonard leslie lestat
  letmein library lincoln linda lionking lizard logan login london louise love lucky lucy maddog madison maggie magic
  margaret marie marina mariposa mark marlboro marley martin marty mary maryjane master matrix matt matthew maverick
  mayday medical medicine member mercedes mercury merlin metal michael michelle mickey midori mike mikey miller
  millie mindy minnie mirage missy misty mitch mitchell molly monday monet money monica monkey monopoly mookie moose
  morgan moroni mother mountain mouse muffin murphy music mustang nancy naomi nascar natasha nathan nelson newyork
  nguyen nicholas nicole nimrod niners nirvana nothing nurse october office olive oliver olivia online orange oscar
  oxford pacific painter pamela pantera paris parker passcode passphrase password patient patrick peace peaches
  peanut pearljam penelope penguin pentium pepper pepsi peter petunia phantom pharmacy philip phoenix photo physio
  piano pickle picture piglet pizza player please poiuyt poohbear pookie popcorn porsche porter praxis prince
  princess psycho pumpkin punkin puppy purple pyramid python quality rabbit rachel rainbow randy ranger raquel rascal
  raven raymond rebecca reception reddog remember richard robbie robert robin rocket rocky roger roman root rose
  rosebud roses royal rugby runner running russell ryan sadie sailing sailor salmon samantha samson sandy sarah sasha
  saturn savage scarlett school scooter scott sean secret security service seven shadow shalom shannon sharon sheba
  sheena sheila shelby shoes sierra silver simba simple skeeter skiing skipper skippy smile smiley smokey snake
  snapple snickers sniper snoopdog snoopy snowball snowman soccer sonic sophie sparky sparrow special spencer spike
  spitfire spring sprite spunky staff stanley star startrek starwars station stealth steelers stella stephanie
  stephen steve steven stimpy stingray storm stormy student stupid success summer sunflower sunny sunrise sunshine
  superman support surfer susan sweetie sydney sylvia tamara tammy tango tanya taurus taylor teacher techno temp
  temporary tennis teresa test theboss theking therapy theresa thomas thumper thunderbird tiger tigers tigger tina
  tintin tomcat tommy tony topgun toyota travel trebor trevor tristan tuesday tweety unicorn user username valentine
  valerie vanilla veronica victor victoria victory vincent viper wally walter warrior warriors weasel welcome
  wellness wesley whatever wheels whisky wilbur william willie willow wilson winner winnie winston winter wisdom
  wizard wolves wombat work xavier yellow zapata zephyr zeppelin ziggy zorro
`
    .trim()
    .split(/\s+/),
);

/** Long passwords that breach lists hold as they stand, lower-cased, letters and digits only. */
export const breachedPhrases: ReadonlySet<string> = new Set([
  'correcthorsebatterystaple',
  'ihavenopassword',
  'iloveyouforever',
  'letmeinletmein',
  'mynameisnobody',
  'nopasswordhere',
  'opensesame1234',
  'thequickbrownfox',
  'thequickbrownfoxjumpsoverthelazydog',
  'thisisapassword',
  'thisismypassword',
  'tobeornottobe',
  'trustno1trustno1',
  'whatisthematrix',
]);
