const WAYS =
  "able bold brave brisk calm clever deft eager fair fond glad keen kind light lively merry mild neat quick quiet sharp steady sunny wise";
const THINGS =
  "anchor arrow beacon birch cedar cliff comet delta ember fjord garnet harbor island kettle lantern maple meadow pebble prism river sail summit willow";

/** Returns a random name for a run whose name is empty, in the style of MLflow's: `calm-harbor-417`. */
export function madeUpName(random: () => number): string {
  const one = (words: string): string => {
    const list = words.split(" ");
    return list[Math.floor(random() * list.length)] as string;
  };
  return `${one(WAYS)}-${one(THINGS)}-${Math.floor(random() * 1_001)}`;
}
