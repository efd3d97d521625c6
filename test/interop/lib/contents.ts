/** Contents that have to come out of every client as they went in, byte for byte. */
export const CONTENTS: readonly { readonly name: string; readonly text: string }[] = [
  { name: "chinese", text: "城市: 杭州\n説明: 設定センター — 한국어\n" },
  { name: "emoji", text: "🚀👩‍💻 🇨🇭 𝔘𝔫𝔦𝔠𝔬𝔡𝔢" },
  { name: "crlf", text: "a=1\r\nb=2\r\n\r\n" },
  { name: "mixed-lines", text: "\n a=1\rb=2\n\n\tc = 3  \n" },
  { name: "form-like", text: 'a=1&b=2+3%20%2B;c="d"\\e\\u0041</p>' },
  { name: "quotes-only", text: '""' },
  { name: "null-like", text: "null" },
  { name: "braces", text: "{}" },
  { name: "zero", text: "0" },
  { name: "invisible", text: "\u200b" },
  { name: "byte-order-mark", text: "\ufeffa: 1\n" },
  { name: "controls", text: "\u0001\u0002\u0007\b\u001b[31mred\u007f\u0085\u2028\u2029\ufffd\uffff" },
  { name: "nul", text: "PNG\u0000\u0000\u001a\u0000end" },
];
