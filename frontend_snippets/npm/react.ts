/** The React kit of the npm package: `import { ExpertCard } from "tcs-events/react"`. */

export * from "../adaptStore";
export * from "../ExpertCard";
export * from "../onSeen";
export * from "../RateSlider";
export * from "../SearchInput";
export * from "../searchStore";
export * from "../TagFilter";
export * from "../useImpression";
export * from "../useSage";
